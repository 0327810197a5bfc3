//! How values are written as bytes: numbers as LEB128, texts and lists with their length before
//! them. Everything that is read is checked; a reader never panics on what it finds.

use bytes::Bytes;

/// Bytes that do not say what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Writes values one behind the other.
#[derive(Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn num(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// Times after 1970, as all of ours are; an earlier one is written as 0.
    pub(crate) fn time(&mut self, value: pulsegate_proto::time::UnixMs) -> &mut Self {
        self.num(u64::try_from(value.0).unwrap_or(0))
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.num(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn some<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => {
                self.u8(0);
            }
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
        self
    }

    pub(crate) fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.num(values.len() as u64);
        for value in values {
            write(self, value);
        }
        self
    }
}

/// Reads values one behind the other.
pub(crate) struct Decoder<'a>(pub(crate) &'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn u8(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn num(&mut self) -> Result<u64, Damaged> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    pub(crate) fn time(&mut self) -> Result<pulsegate_proto::time::UnixMs, Damaged> {
        let value = i64::try_from(self.num()?).map_err(|_| Damaged)?;
        Ok(pulsegate_proto::time::UnixMs(value))
    }

    pub(crate) fn raw(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.raw(N)?.try_into().map_err(|_| Damaged)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let len = usize::try_from(self.num()?).map_err(|_| Damaged)?;
        self.raw(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }

    pub(crate) fn some<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Option<T>, Damaged> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Damaged),
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        let len = usize::try_from(self.num()?).map_err(|_| Damaged)?;
        // Every element takes a byte at least: a wrong length cannot reserve more than is there.
        if len > self.0.len() {
            return Err(Damaged);
        }
        (0..len).map(|_| read(self)).collect()
    }

    /// What is left, which must be nothing.
    pub(crate) fn end(&self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged) }
    }
}

/// `payload` with a checksum over its place and itself: a value that is damaged, or was put under
/// another key, is seen when it is read.
pub(crate) fn seal(table: u8, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(4 + payload.len());
    value.extend_from_slice(&checksum(table, key, payload).to_be_bytes());
    value.extend_from_slice(payload);
    value
}

/// The payload of a sealed value.
pub(crate) fn unseal(table: u8, key: &[u8], value: Bytes) -> Result<Bytes, Damaged> {
    let stored: [u8; 4] = value.get(..4).and_then(|head| head.try_into().ok()).ok_or(Damaged)?;
    let payload = value.slice(4..);
    if u32::from_be_bytes(stored) == checksum(table, key, &payload) { Ok(payload) } else { Err(Damaged) }
}

fn checksum(table: u8, key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[table]);
    hasher.update(&(key.len() as u32).to_be_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot read what it wrote should fail there
    use super::*;

    #[test]
    fn a_sealed_value_is_read_only_under_its_own_key() {
        let sealed = Bytes::from(seal(1, b"key", b"payload"));
        assert_eq!(unseal(1, b"key", sealed.clone()).unwrap(), b"payload"[..]);
        assert_eq!(unseal(2, b"key", sealed.clone()), Err(Damaged));
        assert_eq!(unseal(1, b"kez", sealed.clone()), Err(Damaged));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(1, b"key", Bytes::from(flipped)), Err(Damaged), "bit {bit}");
        }
        assert_eq!(unseal(1, b"key", Bytes::from_static(b"abc")), Err(Damaged));
    }

    #[test]
    fn numbers_and_lists_read_back_as_written() {
        let mut encoder = Encoder::default();
        encoder.num(0).num(127).num(128).num(u64::MAX).text("é").some(Some(5u64), |e, v| {
            e.num(v);
        });
        encoder.list([1u64, 2, 3].into_iter(), |e, v| {
            e.num(v);
        });
        let mut decoder = Decoder(&encoder.0);
        assert_eq!(decoder.num(), Ok(0));
        assert_eq!(decoder.num(), Ok(127));
        assert_eq!(decoder.num(), Ok(128));
        assert_eq!(decoder.num(), Ok(u64::MAX));
        assert_eq!(decoder.text(), Ok("é"));
        assert_eq!(decoder.some(Decoder::num), Ok(Some(5)));
        assert_eq!(decoder.list(Decoder::num), Ok(vec![1, 2, 3]));
        assert_eq!(decoder.end(), Ok(()));
        assert_eq!(Decoder(&[0xff; 20]).num(), Err(Damaged));
        assert_eq!(Decoder(&[0xff, 0xff, 0x7f]).list(Decoder::num), Err(Damaged));
    }
}
