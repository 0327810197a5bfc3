//! What is kept of the networks: opaque bytes for whoever stores them.
//!
//! ```text
//! version 1 | for each network, the one in use last at the end:
//!             length of the key | key | day, u32 | 16 weights, f32    all little endian
//! ```
//!
//! The version stands for the rungs too: whoever changes those gives a new one, and begins anew.

use super::belief::{Belief, COUNT};
use super::ladder::Network;

const VERSION: u8 = 1;

/// Networks with keys above 255 bytes are not kept.
pub(super) fn write(networks: &[Network]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for Network { key, belief, day } in networks {
        if let Ok(length) = u8::try_from(key.len()) {
            out.push(length);
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(&day.to_le_bytes());
            for weight in belief.weights() {
                out.extend_from_slice(&(*weight as f32).to_le_bytes());
            }
        }
    }
    out
}

/// Up to the first that makes no sense.
pub(super) fn read(bytes: &[u8]) -> Vec<Network> {
    let mut networks = Vec::new();
    if let Some((&VERSION, mut rest)) = bytes.split_first() {
        while let Some(network) = next(&mut rest) {
            networks.push(network);
        }
    }
    networks
}

fn next(rest: &mut &[u8]) -> Option<Network> {
    let (length, after) = rest.split_first()?;
    let (key, after) = after.split_at_checked(usize::from(*length))?;
    let (day, mut after) = after.split_first_chunk()?;
    let mut weights = [0.0; COUNT];
    for weight in &mut weights {
        let (bytes, more) = after.split_first_chunk()?;
        *weight = f64::from(f32::from_le_bytes(*bytes));
        after = more;
    }
    *rest = after;
    Some(Network {
        key: str::from_utf8(key).ok()?.to_owned(),
        belief: Belief::load(weights),
        day: u32::from_le_bytes(*day),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(key: &str, day: u32) -> Network {
        let mut belief = Belief::default();
        belief.survived(f64::from(day) * 50.0);
        Network { key: key.to_owned(), belief, day }
    }

    #[test]
    fn networks_come_back_with_their_choices() {
        let networks = [network("home", 2), network("", 9), network("train", 20)];
        let read = read(&write(&networks));
        assert_eq!(read.len(), 3);
        for (before, after) in networks.iter().zip(&read) {
            assert_eq!((&before.key, before.day), (&after.key, after.day));
            for cap in [115, 580, 1180] {
                assert_eq!(before.belief.choose(cap), after.belief.choose(cap));
            }
        }
    }

    #[test]
    fn what_was_cut_or_is_of_another_version_is_dropped() {
        let whole = write(&[network("home", 2), network("train", 9)]);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).len() < 2);
        }
        let mut other = whole.clone();
        other[0] = 2;
        assert_eq!(read(&other), []);
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn weights_that_are_none_are_clamped() {
        let mut bytes = write(&[network("home", 2)]);
        for bad in [f32::NAN, f32::INFINITY, -1.0, 1.5] {
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&bad.to_le_bytes());
            let belief = read(&bytes)[0].belief.clone();
            assert!(belief.weights().iter().all(|weight| (0.0..=1.0).contains(weight)), "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_too_long_is_left_out() {
        let long = network(&"k".repeat(256), 1);
        assert_eq!(read(&write(&[long, network("home", 2)])).len(), 1);
    }
}
