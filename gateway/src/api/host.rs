//! Names under which a listener on this machine is asked for.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use std::net::IpAddr;

/// Whether a request is for `localhost` or an address. A name could be pointed at this machine by
/// whoever owns it, and a page of that name would then be "same origin" with us.
#[must_use]
pub fn is_literal(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host();
    name.eq_ignore_ascii_case("localhost")
        || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_taken_literally() {
        let asked = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            is_literal(&headers)
        };
        for host in ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "localhost:1", "LocalHost", "10.0.0.1"] {
            assert!(asked(host), "{host}");
        }
        for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test:80", "", "a b"] {
            assert!(!asked(host), "{host}");
        }
        assert!(!is_literal(&HeaderMap::new()));
    }
}
