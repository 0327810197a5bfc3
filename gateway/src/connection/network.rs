//! Names for network paths that tell nobody which: equal where two links of one device seem to share a path.

use hmac::{Hmac, KeyInit, Mac};
use pulsegate_proto::id::{AppId, RegistrationId};
use sha2::Sha256;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// File of the secret in the data directory.
const FILE: &str = "network.key";
/// Bytes of the secret: a full block of the hash's output.
const SECRET_BYTES: usize = 32;
/// Bytes of a name: 64 bits; a device meets some dozens of networks, not billions.
const NAME_BYTES: usize = 8;

/// Makes the names. They survive restarts, since the secret lies with the store.
pub struct NetworkNames([u8; SECRET_BYTES]);

impl fmt::Debug for NetworkNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkNames(..)")
    }
}

impl NetworkNames {
    /// With a secret that dies with the process, for a store that does too.
    #[must_use]
    pub fn for_this_run() -> Self {
        Self(crate::auth::random_bytes())
    }

    /// With the secret in `data_dir`, made there if there is none. A file that cannot be used costs clients a
    /// fresh start of what they learnt about their networks, so it stops nothing.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let have = std::fs::read(&path).ok();
        if let Some(secret) = have.and_then(|bytes| bytes.try_into().ok()) {
            return Self(secret);
        }
        let made = Self::for_this_run();
        if let Err(error) = write_private(&path, &made.0) {
            tracing::warn!(path = %path.display(), %error, "network names will change with the next start");
        }
        made
    }

    /// The name of the path between this node and `address`, for one device.
    ///
    /// HMAC-SHA256 over app, registration and the /24 or /48 of the address: it links no two people, and a device
    /// that only gets another host number in the same network keeps what it learnt.
    #[must_use]
    pub fn name(&self, app: &AppId, registration: &RegistrationId, address: IpAddr) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("any length is a key"));
        for part in [app.as_str().as_bytes(), registration.as_str().as_bytes()] {
            mac.update(part);
            mac.update(&[0]);
        }
        match address.to_canonical() {
            IpAddr::V4(v4) => mac.update(&v4.octets()[..3]),
            IpAddr::V6(v6) => mac.update(&v6.octets()[..6]),
        }
        let digest = mac.finalize().into_bytes();
        digest[..NAME_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // names and addresses of the tests are literals
    use super::*;

    fn name(names: &NetworkNames, app: &str, registration: &str, address: &str) -> String {
        let (app, registration) = (AppId::parse(app).unwrap(), RegistrationId::parse(registration).unwrap());
        names.name(&app, &registration, address.parse().unwrap())
    }

    #[test]
    fn a_name_is_of_one_device_and_one_network() {
        let names = NetworkNames::for_this_run();
        let home = name(&names, "demo", "r1", "192.0.2.7");
        assert_eq!(home.len(), 2 * NAME_BYTES);
        assert_eq!(home, name(&names, "demo", "r1", "192.0.2.99"));
        assert_eq!(home, name(&names, "demo", "r1", "::ffff:192.0.2.7"));
        assert_ne!(home, name(&names, "demo", "r1", "192.0.3.7"));
        assert_ne!(home, name(&names, "demo", "r2", "192.0.2.7"));
        assert_ne!(home, name(&names, "other", "r1", "192.0.2.7"));
        let v6 = name(&names, "demo", "r1", "2001:db8:1:2::3");
        assert_eq!(v6, name(&names, "demo", "r1", "2001:db8:1:ffff::4"));
        assert_ne!(v6, name(&names, "demo", "r1", "2001:db8:2:2::3"));
    }

    #[test]
    fn names_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let before = name(&NetworkNames::of(dir.path()), "demo", "r1", "192.0.2.7");
        assert_eq!(before, name(&NetworkNames::of(dir.path()), "demo", "r1", "192.0.2.7"));
        std::fs::write(dir.path().join(FILE), b"short").unwrap();
        assert_ne!(
            before,
            name(&NetworkNames::of(dir.path()), "demo", "r1", "192.0.2.7"),
            "a damaged file is replaced"
        );
    }
}
