//! Ids of apps, devices, users, messages and sessions.

use super::InvalidName;
use crate::limits;
use core::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` if it is such a name.
            ///
            /// # Errors
            /// Names what was expected.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(InvalidName { what: $what, expected: $expected })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Whether UTF-8 text holds a control character: C0, DEL, or C1, which is C2 and then 80 to 9F. A
/// walk over characters would weigh more in the browser.
fn has_control(text: &[u8]) -> bool {
    let mut before = 0;
    text.iter().any(|&b| {
        let c1 = before == 0xc2 && b < 0xa0;
        before = b;
        b < 0x20 || b == 0x7f || c1
    })
}

text_id!(
    /// An app: the tenant. Every key of a store begins with it.
    AppId, "app id", "1 to 32 of a-z 0-9 -",
    |t| (1..=limits::APP_ID_BYTES).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

text_id!(
    /// A user: the subject of a token, as the app's backend names them.
    UserId, "user", "1 to 128 bytes without control characters",
    |t| (1..=limits::USER_BYTES).contains(&t.len()) && !has_control(t.as_bytes())
);

text_id!(
    /// A registration: one device (browser profile) of one app. Made by the gateway; opaque.
    RegistrationId, "registration id", "1 to 64 of A-Z a-z 0-9 - _",
    |t| (1..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
);

text_id!(
    /// A session: one welcomed link of one device. Made by the gateway; opaque.
    SessionId, "session id", "1 to 64 of A-Z a-z 0-9 - _",
    |t| (1..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
);

text_id!(
    /// A tag a registration carries, for tag expressions.
    Tag, "tag", "1 to 64 bytes of A-Z a-z 0-9 _ - . /, no empty segment, not 'and', 'or' or 'not'",
    |t| t.len() <= limits::TAG_BYTES && super::topic::is_topic_name(t) && !matches!(t, "and" | "or" | "not")
);

/// A message: a UUIDv7 made by the gateway, 16 bytes, printed with hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// The id in these 16 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads the hyphenated form, lower or upper case.
    ///
    /// # Errors
    /// Names what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        const WRONG: InvalidName = InvalidName { what: "message id", expected: "a UUID of 36 characters" };
        let t = text.as_bytes();
        if t.len() != 36 {
            return Err(WRONG);
        }
        let mut id = [0u8; 16];
        let mut nibbles = 0usize;
        for (i, b) in t.iter().enumerate() {
            if matches!(i, 8 | 13 | 18 | 23) {
                if *b != b'-' {
                    return Err(WRONG);
                }
                continue;
            }
            let digit = (*b as char).to_digit(16).ok_or(WRONG)?;
            id[nibbles / 2] = (id[nibbles / 2] << 4) | (digit as u8);
            nibbles += 1;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{b:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_may_hold_any_character_but_controls() {
        for number in 0..=0x2_ffff_u32 {
            let Some(c) = char::from_u32(number) else { continue };
            assert_eq!(UserId::parse(&format!("a{c}")).is_ok(), !c.is_control(), "{number:x}");
        }
    }
}
