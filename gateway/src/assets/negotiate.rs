//! `Accept-Encoding` and `If-None-Match` (RFC 9110 sections 12.5.3 and 13.1.2).

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
    Brotli,
}

impl Encoding {
    /// Its name in `Content-Encoding`; plain bytes have none.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// The encoding to send: the one with the highest weight; among equals the smallest bytes.
pub(super) fn wanted(accept: Option<&str>, have: impl Fn(Encoding) -> bool) -> Encoding {
    let Some(accept) = accept else {
        return Encoding::Plain;
    };
    [Encoding::Brotli, Encoding::Gzip]
        .into_iter()
        .filter(|encoding| have(*encoding))
        .map(|encoding| (weight(accept, encoding.name().unwrap_or_default()), encoding))
        .filter(|(weight, _)| *weight > 0)
        // max_by_key keeps the last of equals: brotli must come last.
        .rev()
        .max_by_key(|(weight, _)| *weight)
        .map_or(Encoding::Plain, |(_, encoding)| encoding)
}

/// Thousandths; 0: not wanted.
fn weight(accept: &str, name: &str) -> u32 {
    let mut any = 0;
    for part in accept.split(',') {
        let mut parameters = part.split(';').map(str::trim);
        let coding = parameters.next().unwrap_or_default();
        let q = parameters
            .find_map(|parameter| parameter.strip_prefix("q="))
            .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        // The cast saturates.
        let thousandths = (q.clamp(0.0, 1.0) * 1000.0) as u32;
        if coding.eq_ignore_ascii_case(name) {
            return thousandths;
        }
        if coding == "*" {
            any = thousandths;
        }
    }
    any
}

/// Whether the list of `If-None-Match` names `tag`, by the weak comparison.
pub(super) fn not_modified(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|entry| entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == tag)
}
