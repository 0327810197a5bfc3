//! Who really dialled, when a proxy we trust says so: PROXY protocol v2 before the first byte of TLS or HTTP, or
//! `X-Forwarded-For` in the request. From anybody else both are ignored.
//!
//! Format: haproxy's `proxy-protocol.txt`, section 2.2.

use http::HeaderMap;
use ipnet::IpNet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The first byte of a PROXY v2 header. Neither TLS (0x16) nor an HTTP method begins with it.
pub const FIRST_BYTE: u8 = SIGNATURE[0];
/// Addresses take 36 bytes (216 for UNIX); the rest are TLVs. More than this no proxy sends.
const LENGTH_MAX: usize = 2048;

/// Whether `peer` is in one of the `trusted` networks.
#[must_use]
pub fn is_trusted(trusted: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|net| net.contains(&peer))
}

/// Reads a PROXY v2 header from `stream`: the address it names, or `None` where it names none (`LOCAL`, a health
/// check of the proxy itself, or a family that has no IP address).
///
/// # Errors
/// `InvalidData` if it is no such header, else what reading said.
pub async fn read_v2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut head = [0u8; 16];
    stream.read_exact(&mut head).await?;
    let (signature, version) = (&head[..12], head[12] >> 4);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if signature != SIGNATURE || version != 2 || length > LENGTH_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a PROXY v2 header"));
    }
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).await?;
    match (head[12] & 0x0f, head[13] >> 4) {
        (0, _) => Ok(None),
        (1, family) => source(family, &body),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "unknown PROXY command")),
    }
}

fn source(family: u8, body: &[u8]) -> io::Result<Option<IpAddr>> {
    let short = || io::Error::new(io::ErrorKind::InvalidData, "PROXY addresses are cut short");
    match family {
        1 => {
            let octets: [u8; 4] = body.get(..4).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            if body.len() < 12 { Err(short()) } else { Ok(Some(Ipv4Addr::from(octets).into())) }
        }
        2 => {
            let octets: [u8; 16] = body.get(..16).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            if body.len() < 36 {
                Err(short())
            } else {
                Ok(Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical()))
            }
        }
        _ => Ok(None),
    }
}

/// The client behind `peer`: if `peer` is trusted, the last address of `X-Forwarded-For` that is not itself a
/// trusted proxy. Reading from the right, since everything further left was written by whoever dialled.
#[must_use]
pub fn forwarded(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(trusted, peer) {
        return peer;
    }
    let mut client = peer;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for hop in line.rsplit(',') {
            let Some(address) = address(hop.trim()) else { return client };
            client = address;
            if !is_trusted(trusted, address) {
                return client;
            }
        }
    }
    client
}

/// An address, perhaps with a port, as proxies write them: `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]:5`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed).map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // addresses and headers of the tests are literals
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family << 4 | 1]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    async fn read(bytes: &[u8]) -> Result<Option<IpAddr>, io::ErrorKind> {
        let mut rest = bytes;
        let result = read_v2(&mut rest).await.map_err(|e| e.kind());
        if result.is_ok() {
            assert!(rest.is_empty(), "TLVs were read too");
        }
        result
    }

    #[tokio::test]
    async fn proxy_headers_name_the_client() {
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x1f, 0x90, 0x01, 0xbb];
        assert_eq!(read(&header(1, 1, &v4)).await, Ok(Some(ip("203.0.113.9"))));
        let mut with_tlv = v4.to_vec();
        with_tlv.extend([0x04, 0, 1, 7]);
        assert_eq!(read(&header(1, 1, &with_tlv)).await, Ok(Some(ip("203.0.113.9"))));
        let mut v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5).octets().to_vec();
        v6.extend([0; 20]);
        assert_eq!(read(&header(1, 2, &v6)).await, Ok(Some(ip("2001:db8::5"))));
        assert_eq!(read(&header(0, 0, &[])).await, Ok(None), "a health check of the proxy");
        assert_eq!(read(&header(1, 3, &[0; 216])).await, Ok(None), "a UNIX socket has no address");
    }

    #[tokio::test]
    async fn broken_proxy_headers_are_refused() {
        assert_eq!(read(&header(1, 1, &[1, 2, 3])).await, Err(io::ErrorKind::InvalidData));
        assert_eq!(read(&header(2, 1, &[0; 12])).await, Err(io::ErrorKind::InvalidData));
        assert_eq!(read(b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0").await, Err(io::ErrorKind::InvalidData));
        assert_eq!(read(&header(1, 1, &vec![0; LENGTH_MAX + 1])).await, Err(io::ErrorKind::InvalidData));
        assert_eq!(read(&SIGNATURE).await, Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn forwarded_for_is_believed_from_trusted_proxies_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let of = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            forwarded(&headers, ip(peer), &trusted)
        };
        assert_eq!(of("203.0.113.9", &["198.51.100.1"]), ip("203.0.113.9"), "a stranger says what it likes");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(
            of("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"]),
            ip("198.51.100.1"),
            "the forged hop is left"
        );
        assert_eq!(
            of("10.0.0.1", &["1.1.1.1", "198.51.100.1:4711"]),
            ip("198.51.100.1"),
            "several lines are one list"
        );
        assert_eq!(of("fd00::1", &["[2001:db8::5]:443"]), ip("2001:db8::5"));
        assert_eq!(of("10.0.0.1", &["198.51.100.1, nonsense"]), ip("10.0.0.1"));
        assert_eq!(of("10.0.0.1", &[]), ip("10.0.0.1"));
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
    }
}
