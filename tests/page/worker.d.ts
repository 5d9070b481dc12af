// What types.js names and a worker lacks.
interface HTMLElement {}
