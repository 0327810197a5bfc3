//! The files of the checkout, as the laws look at them.

use std::fs;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{capture, command};

/// One text file.
#[derive(Debug)]
pub struct Source {
    /// Relative to the checkout, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Every text file of the project: what git tracks, and what it would track.
#[derive(Debug)]
pub struct Tree {
    /// Ordered by path.
    pub sources: Vec<Source>,
    /// Places of this machine that no file may name.
    pub machine: Vec<String>,
}

impl Tree {
    /// Reads the checkout.
    ///
    /// # Errors
    /// When git does not answer. Files that are no text are left out.
    pub fn read(house: &House) -> Result<Self, Failure> {
        let mut git = command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]);
        // A container may see the checkout as another user's.
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .current_dir(&house.root);
        let mut sources: Vec<Source> = capture(&mut git)?
            .lines()
            .filter_map(|path| {
                Some(Source { path: path.to_string(), text: fs::read_to_string(house.at(path)).ok()? })
            })
            .collect();
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let machine = vec![house.root.display().to_string(), house.cache.display().to_string()];
        Ok(Self { sources, machine })
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// The files in these folders with one of these endings.
    pub fn within<'t>(
        &'t self,
        folders: &'t [&str],
        endings: &'t [&str],
    ) -> impl Iterator<Item = &'t Source> {
        self.sources.iter().filter(|source| {
            folders.iter().any(|folder| source.path.starts_with(folder))
                && endings.iter().any(|ending| source.path.ends_with(ending))
        })
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let sources = files
            .iter()
            .map(|(path, text)| Source { path: (*path).to_string(), text: (*text).to_string() })
            .collect();
        Self { sources, machine: vec!["/home/somebody/pulsegate".to_string()] }
    }
}

impl Source {
    /// Lines of code with their numbers: comments may speak of what the code may not do.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let comment = |line: &str| {
            let line = line.trim_start();
            line.starts_with("//") || line.starts_with("/*") || line.starts_with("* ")
        };
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(move |(_, line)| !comment(line))
    }

    /// Where the code has one of these words, and why it must not.
    pub fn having<'s>(&'s self, words: &'s [&str], why: &'s str) -> impl Iterator<Item = String> + 's {
        self.code().filter_map(move |(number, line)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{}:{number}: `{word}`: {why}", self.path))
        })
    }
}
