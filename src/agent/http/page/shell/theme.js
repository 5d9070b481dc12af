// @ts-check
/**
 * Sets the theme before the first paint: a classic script, because a module would run after it.
 *
 * `data-theme` on the root element is always `dark` or `light`. The choice of the reader (`auto`, `dark`,
 * `light`) is kept in `localStorage` under `pulse.theme`.
 */
(() => {
  const light = matchMedia('(prefers-color-scheme: light)');
  const apply = () => {
    /** @type {string | null} */
    let choice = null;
    try {
      choice = localStorage.getItem('pulse.theme');
    } catch {
      // Storage can be disabled. The system's theme is right then.
    }
    const theme = choice === 'dark' || choice === 'light' ? choice : light.matches ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
  };
  apply();
  light.addEventListener('change', apply);
  // Another tab changed the choice, or this one (`pulse-theme`).
  addEventListener('storage', apply);
  addEventListener('pulse-theme', apply);
})();
