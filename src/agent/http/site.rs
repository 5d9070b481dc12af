//! Where browsers find the monitor: its URL, and the Host and Origin headers that are accepted because of it. A page
//! of another site cannot reach the monitor through a name of its own that leads to this address (DNS rebinding).

use std::net::SocketAddr;

use crate::config::Url;

/// Where browsers find the monitor.
pub(super) struct Site {
    /// The URL in links.
    url: Url,
    /// The authorities of other URLs that lead here.
    others: Vec<String>,
    /// The scheme of these.
    secure: bool,
    /// The name of the session's cookie.
    pub(super) cookie: String,
}

impl Site {
    /// The site at `address`, or behind a proxy if there is none. `url` is the configured one, `host` the machine's
    /// name, `secure` says whether the monitor itself speaks TLS.
    pub(super) fn new(
        url: Option<&Url>,
        address: Option<SocketAddr>,
        secure: bool,
        host: &str,
    ) -> Self {
        let mut others = address.map(|at| authorities(at, secure, host)).unwrap_or_default();
        let url = url.cloned().unwrap_or_else(|| {
            let authority = others.first().cloned().unwrap_or_default();
            Url { secure, authority, path: "/".into() }
        });
        others.retain(|other| *other != url.authority);
        let port = port(&url);
        // A browser sends the cookies of all ports of a host, so the name has the port. `__Host-`: only a secure site
        // itself can have set it (RFC 6265bis, section 4.1.3).
        let prefix = if url.secure && url.path == "/" { "__Host-" } else { "" };
        Self { cookie: format!("{prefix}pulse-{port}"), url, others, secure }
    }

    /// The URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// `true` if this Host header, or HTTP/2 authority, leads here.
    pub(super) fn is_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let same = |authority: &str, secure: bool| {
            let port = if secure { ":443" } else { ":80" };
            host.strip_suffix(port).unwrap_or(&host) == authority
        };
        same(&self.url.authority, self.url.secure)
            || self.others.iter().any(|other| same(other, self.secure))
    }

    /// `true` if a page with this Origin is one of the monitor's own.
    pub(super) fn is_origin(&self, origin: &str) -> bool {
        let of = |secure: bool, authority: &str| {
            let scheme = if secure { "https" } else { "http" };
            origin.strip_prefix(scheme).and_then(|o| o.strip_prefix("://")) == Some(authority)
        };
        of(self.url.secure, &self.url.authority)
            || self.others.iter().any(|other| of(self.secure, other))
    }

    /// The path of a request within the site, without the prefix that a proxy may pass on.
    pub(super) fn path<'a>(&self, path: &'a str) -> &'a str {
        let prefix = self.url.path.trim_end_matches('/');
        match path.strip_prefix(prefix) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }
}

/// The names by which an address is reached, the best one for a link first.
fn authorities(address: SocketAddr, secure: bool, host: &str) -> Vec<String> {
    let with_port = |name: &str| match (address.port(), secure) {
        (443, true) | (80, false) => name.to_owned(),
        (port, _) => format!("{name}:{port}"),
    };
    let ip = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let host = host.to_ascii_lowercase();
    let mut names: Vec<&str> = match address.ip() {
        loopback if loopback.is_loopback() => vec![&ip],
        any if any.is_unspecified() => vec![&host],
        _ => vec![&ip, &host],
    };
    names.extend(["127.0.0.1", "localhost", "[::1]"].iter().filter(|local| **local != ip));
    names.into_iter().map(with_port).collect()
}

fn port(url: &Url) -> u16 {
    let given = url.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    given.unwrap_or(if url.secure { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: Option<&str>, address: &str, secure: bool) -> Site {
        let url = url.map(|url| url.parse().expect("a URL"));
        Site::new(url.as_ref(), Some(address.parse().expect("an address")), secure, "Web1")
    }

    #[test]
    fn accepts_its_own_hosts_only() {
        let local = site(None, "127.0.0.1:7464", false);
        assert_eq!(local.url().to_string(), "http://127.0.0.1:7464/");
        assert_eq!(local.cookie, "pulse-7464");
        for (host, accepted) in [
            ("127.0.0.1:7464", true),
            ("localhost:7464", true),
            ("LOCALHOST:7464", true),
            ("[::1]:7464", true),
            ("localhost", false),
            ("localhost:7465", false),
            ("evil.example:7464", false),
            ("127.0.0.1:7464.evil.example", false),
            ("", false),
        ] {
            assert_eq!(local.is_host(host), accepted, "{host}");
        }
    }

    #[test]
    fn a_configured_url_decides() {
        let proxied = site(Some("https://pulse.example/web1"), "127.0.0.1:7464", false);
        assert_eq!(proxied.url().to_string(), "https://pulse.example/web1/");
        assert_eq!(proxied.cookie, "pulse-443");
        assert!(proxied.is_host("pulse.example") && proxied.is_host("pulse.example:443"));
        assert!(proxied.is_host("127.0.0.1:7464"), "past the proxy");
        assert!(!proxied.is_host("example"));
        for (origin, own) in [
            ("https://pulse.example", true),
            ("http://pulse.example", false),
            ("http://127.0.0.1:7464", true),
            ("https://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(proxied.is_origin(origin), own, "{origin}");
        }
        for (path, within) in [
            ("/web1/events", "/events"),
            ("/web1", "/web1"),
            ("/events", "/events"),
            ("/web12/x", "/web12/x"),
        ] {
            assert_eq!(proxied.path(path), within);
        }
    }

    #[test]
    fn a_network_address_has_the_name_of_the_machine() {
        let all = site(None, "0.0.0.0:7464", true);
        assert_eq!(all.url().to_string(), "https://web1:7464/");
        assert_eq!(all.cookie, "__Host-pulse-7464");
        assert!(all.is_host("web1:7464") && !all.is_host("192.0.2.1:7464"));
        assert!(site(None, "192.0.2.1:443", true).is_host("192.0.2.1"));
    }
}
