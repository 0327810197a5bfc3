//! Which readers of a log an entry is for: a tag expression and excludes, decided once, when a
//! reader passes the entry, against the tags it has then.

use crate::ReaderView;
use core::fmt;
use pulsegate_proto::id::{RegistrationId, Tag, UserId};

/// Which readers of its log an entry is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predicate {
    /// The device's tags satisfy this.
    pub tags: Option<Expression>,
    /// Not these devices; sorted.
    pub not_registrations: Vec<RegistrationId>,
    /// Not the devices of these users; sorted.
    pub not_users: Vec<UserId>,
}

impl Predicate {
    /// Whether an entry with this predicate is for `reader`.
    #[must_use]
    pub fn matches(&self, reader: &ReaderView) -> bool {
        self.not_registrations.binary_search(&reader.registration).is_err()
            && reader.user.as_ref().is_none_or(|user| self.not_users.binary_search(user).is_err())
            && self.tags.as_ref().is_none_or(|tags| tags.matches(&reader.tags))
    }
}

/// Longest expression, bytes: some dozens of tags.
pub const EXPRESSION_BYTES: usize = 2048;
/// Deepest nesting: beyond it nobody can read the expression either.
const DEPTH: usize = 32;

/// A tag expression: tags joined by `and`, `or`, `not` and parentheses. `not` binds strongest,
/// then `and`, then `or`.
#[derive(Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    /// Postfix: evaluated with a stack, so that no input can recurse deeply here.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Has(Tag),
    Not,
    And,
    Or,
}

/// Why a tag expression was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidExpression {
    /// Byte position in the text, from 0.
    pub at: usize,
    /// What would have been right there.
    pub expected: &'static str,
    /// What stood there; empty at the end of the text.
    pub found: String,
}

impl fmt::Display for InvalidExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag expression, position {}: expected {}", self.at, self.expected)?;
        if self.found.is_empty() {
            f.write_str(", found the end")
        } else {
            write!(f, ", found '{}'", self.found.escape_debug())
        }
    }
}

impl core::error::Error for InvalidExpression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says where it goes wrong and what was expected there.
    pub fn parse(text: &str) -> Result<Self, InvalidExpression> {
        if text.len() > EXPRESSION_BYTES {
            return Err(InvalidExpression {
                at: EXPRESSION_BYTES,
                expected: "at most 2048 bytes",
                found: String::from("more"),
            });
        }
        let mut parser = Parser { text, at: 0, depth: 0, steps: Vec::new() };
        parser.or()?;
        match parser.peek() {
            None => Ok(Self { text: text.to_owned(), steps: parser.steps }),
            Some(_) => Err(parser.wrong("'and', 'or' or the end")),
        }
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a device with `tags` satisfies it.
    #[must_use]
    pub fn matches(&self, tags: &[Tag]) -> bool {
        let mut stack: Vec<bool> = Vec::with_capacity(8);
        for step in &self.steps {
            let value = match step {
                Step::Has(tag) => tags.contains(tag),
                Step::Not => !stack.pop().unwrap_or(false),
                // Both sides are popped before they are joined: `&&` on the pops would leave one.
                Step::And | Step::Or => {
                    let right = stack.pop().unwrap_or(false);
                    let left = stack.pop().unwrap_or(false);
                    if *step == Step::And { left && right } else { left || right }
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(false)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    /// The next word or parenthesis, left where it is.
    fn peek(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        if rest.is_empty() {
            None
        } else if rest.starts_with(['(', ')']) {
            Some(&rest[..1])
        } else {
            let end = rest.find([' ', '\t', '\r', '\n', '(', ')']).unwrap_or(rest.len());
            Some(&rest[..end])
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn wrong(&mut self, expected: &'static str) -> InvalidExpression {
        let found = self.peek().unwrap_or_default().chars().take(32).collect();
        InvalidExpression { at: self.at, expected, found }
    }

    fn or(&mut self) -> Result<(), InvalidExpression> {
        self.and()?;
        while self.take("or") {
            self.and()?;
            self.steps.push(Step::Or);
        }
        Ok(())
    }

    fn and(&mut self) -> Result<(), InvalidExpression> {
        self.not()?;
        while self.take("and") {
            self.not()?;
            self.steps.push(Step::And);
        }
        Ok(())
    }

    fn not(&mut self) -> Result<(), InvalidExpression> {
        let mut negate = false;
        while self.take("not") {
            negate = !negate;
        }
        self.primary()?;
        if negate {
            self.steps.push(Step::Not);
        }
        Ok(())
    }

    fn primary(&mut self) -> Result<(), InvalidExpression> {
        const EXPECTED: &str = "a tag, 'not' or '('";
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(self.wrong("at most 32 nested parentheses"));
            }
            self.or()?;
            self.depth -= 1;
            return if self.take(")") { Ok(()) } else { Err(self.wrong("')', 'and' or 'or'")) };
        }
        let Some(tag) = self.peek().and_then(|word| Tag::parse(word).ok()) else {
            return Err(self.wrong(EXPECTED));
        };
        self.at += tag.as_str().len();
        self.steps.push(Step::Has(tag));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| Tag::parse(name).unwrap()).collect()
    }

    #[test]
    fn not_binds_before_and_and_and_before_or() {
        let table: &[(&str, &[&str], bool)] = &[
            ("vip", &["vip"], true),
            ("vip", &[], false),
            ("not vip", &[], true),
            ("not not vip", &["vip"], true),
            ("a or b and c", &["a"], true),
            ("(a or b) and c", &["a"], false),
            ("(a or b) and c", &["b", "c"], true),
            ("not a and b", &["b"], true),
            ("not (a and b)", &["a"], true),
            ("vip and zh and not muted", &["vip", "zh"], true),
            ("vip and zh and not muted", &["vip", "zh", "muted"], false),
            (" ( lang/zh\n)or\tx.y-z_0 ", &["x.y-z_0"], true),
            ("android", &["android"], true),
        ];
        for (text, have, expected) in table {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(expression.matches(&tags(have)), *expected, "{text} with {have:?}");
        }
    }

    #[test]
    fn a_refusal_says_where_and_what_was_expected() {
        let table = [
            ("", 0, "a tag, 'not' or '('"),
            ("and", 0, "a tag, 'not' or '('"),
            ("a and", 5, "a tag, 'not' or '('"),
            ("a b", 2, "'and', 'or' or the end"),
            ("(a", 2, "')', 'and' or 'or'"),
            ("(a b)", 3, "')', 'and' or 'or'"),
            ("a)", 1, "'and', 'or' or the end"),
            ("a and $", 6, "a tag, 'not' or '('"),
            ("a AND b", 2, "'and', 'or' or the end"),
            ("()", 1, "a tag, 'not' or '('"),
        ];
        for (text, at, expected) in table {
            let error = Expression::parse(text).unwrap_err();
            assert_eq!((error.at, error.expected), (at, expected), "{text:?}: {error}");
        }
        assert!(Expression::parse(&"(".repeat(40)).is_err());
        assert!(Expression::parse(&"a".repeat(3000)).is_err());
    }
}
