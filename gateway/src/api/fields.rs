//! The fields of a JSON object, taken one by one: what is wrong is named by its path, and what is
//! left over at the end is unknown.

use super::problem::{Code, Problem};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// An object whose fields are yet to be taken.
pub(super) struct Fields<'a> {
    path: String,
    left: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Reads bytes as one JSON value.
pub(super) fn json(bytes: &[u8]) -> Result<&RawValue, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Problem::new(Code::Malformed, "the body is not UTF-8"))?;
    serde_json::from_str(text)
        .map_err(|error| Problem::new(Code::Malformed, format!("the body is not JSON: {error}")))
}

impl<'a> Fields<'a> {
    /// The fields of the body itself.
    pub(super) fn of_body(bytes: &'a [u8]) -> Result<Self, Problem> {
        Self::of(json(bytes)?, String::new())
    }

    /// The fields of the object at `path`.
    pub(super) fn of(raw: &'a RawValue, path: String) -> Result<Self, Problem> {
        if !raw.get().starts_with('{') {
            return Err(Problem::field(path, "expected a JSON object"));
        }
        let Pairs(left) = serde_json::from_str(raw.get())
            .map_err(|error| Problem::field(path.clone(), format!("cannot be read: {error}")))?;
        for (i, (name, _)) in left.iter().enumerate() {
            if left[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::field(joined(&path, name), "is there twice"));
            }
        }
        Ok(Self { path, left })
    }

    /// The path of the field `name` of this object.
    pub(super) fn path_of(&self, name: &str) -> String {
        joined(&self.path, name)
    }

    /// Looks at a field without taking it.
    pub(super) fn peek(&self, name: &str) -> Option<&'a RawValue> {
        self.left.iter().find(|(have, _)| have == name).map(|(_, value)| *value)
    }

    /// Takes a field; `null` is the same as its absence.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.left.iter().position(|(have, _)| have == name)?;
        let (_, value) = self.left.swap_remove(index);
        (value.get() != "null").then_some(value)
    }

    /// Takes a field of type `T`, called `what` in the problem.
    fn typed<T: Deserialize<'a>>(&mut self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let path = self.path_of(name);
        self.take(name)
            .map(|raw| {
                serde_json::from_str(raw.get()).map_err(|_| Problem::field(path, format!("expected {what}")))
            })
            .transpose()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.typed(name, "a string")
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        self.typed(name, "true or false")
    }

    pub(super) fn seconds(&mut self, name: &str) -> Result<Option<u32>, Problem> {
        self.typed(name, "a whole number of seconds, 0 to 4294967295")
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        self.typed(name, "a list of strings")
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<&'a RawValue>>, Problem> {
        self.typed(name, "a list")
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        let path = self.path_of(name);
        self.take(name).map(|raw| Self::of(raw, path)).transpose()
    }

    /// Names a field that nobody took.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                let path = joined(&self.path, name);
                Err(Problem::new(Code::UnknownField, format!("the field '{path}' is not known")).at(path))
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, _>()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A field's name, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields<'_>, Problem> {
        Fields::of_body(text.as_bytes())
    }

    #[test]
    fn what_nobody_took_is_named_by_its_path() {
        let mut top = fields(r#"{"a":{"b":1,"c":"x"},"d":null}"#).unwrap();
        let mut inner = top.object("a").unwrap().unwrap();
        assert_eq!(inner.text("c").unwrap().as_deref(), Some("x"));
        let problem = inner.finish().unwrap_err();
        assert_eq!(problem, Problem::new(Code::UnknownField, "the field 'a.b' is not known").at("a.b"));
        assert!(top.text("d").unwrap().is_none());
        top.finish().unwrap();
    }

    #[test]
    fn malformed_and_wrong_are_told_apart() {
        for text in ["", "{", "{\"a\":}", "{'a':1}", "{} {}", "\u{feff}{}"] {
            assert_eq!(fields(text).err().unwrap().code(), Code::Malformed, "{text}");
        }
        assert_eq!(json(b"\xff").unwrap_err().code(), Code::Malformed);
        for text in ["[]", "1", "\"x\"", "null", "{\"a\":1,\"a\":2}", r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(fields(text).err().unwrap().code(), Code::InvalidField, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(fields(&deep).is_err());
    }

    #[test]
    fn a_wrong_type_names_what_was_expected() {
        let mut top = fields(r#"{"t":1,"b":"x","s":-1,"l":[1],"o":[]}"#).unwrap();
        assert!(top.text("t").is_err());
        assert!(top.boolean("b").is_err());
        assert!(top.seconds("s").is_err());
        assert!(top.texts("l").is_err());
        assert!(top.object("o").is_err());
    }
}
