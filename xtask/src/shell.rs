//! Runs other programs: what they say goes to standard error, so that standard output stays for results.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How long output is still read after a program ended: a grandchild may hold the pipe open for ever.
const TAIL_GRACE: Duration = Duration::from_secs(2);

/// Says on standard error what is about to happen.
pub fn say(line: impl std::fmt::Display) {
    eprintln!("==> {line}");
}

/// Prints a result on standard output.
pub fn print(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // A closed standard output (`| head`) is no reason to fail a build.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Does one step of a command and says how long it took.
///
/// # Errors
/// Those of the step.
pub fn step<T>(title: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    say(title);
    let began = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!("    {title}: {verdict} in {:.1} s", began.elapsed().as_secs_f64());
    result
}

/// A program with its arguments.
pub fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Cargo, the one that started the workshop where there is one.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = command(program, arguments);
    // What `cargo run` told this process about itself is nothing to its children: left in place it
    // would make every build script look changed.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// npm in a folder.
pub fn npm(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = command(if cfg!(windows) { "npm.cmd" } else { "npm" }, arguments);
    command.current_dir(folder);
    command
}

/// The search path with these folders in front.
///
/// # Errors
/// When a folder's name cannot stand in a search path.
pub fn path_with(folders: &[PathBuf]) -> Result<OsString, Failure> {
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folders.iter().cloned().chain(env::split_paths(&rest)))
        .map_err(|e| Failure::new(format!("a tool folder cannot stand in PATH: {e}")))
}

/// Where a program is found on the search path.
pub fn which(program: &str) -> Option<PathBuf> {
    let file = if cfg!(windows) { format!("{program}.exe") } else { program.to_string() };
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or does not end well.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(Failure::io(format_args!("cannot start {}", shown(command))))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} ended with {status}", shown(command))))
    }
}

/// Runs a program and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started, does not end well or writes something that is no text.
pub fn capture(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(Failure::io(format_args!("cannot start {}", shown(command))))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{} ended with {}", shown(command), output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("{} did not write text", shown(command))))
}

/// What a program said, and whether it ended well.
#[derive(Debug)]
pub struct Heard {
    /// The exit code was 0.
    pub success: bool,
    /// Standard output and standard error, in the order of their lines.
    pub text: String,
}

/// When what a program says is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Line by line, as it comes.
    Live,
    /// In one piece when the program has ended: another one is being shown live.
    AtEnd,
}

/// Runs a program, shows what it says and keeps it.
///
/// # Errors
/// When it cannot be started.
pub fn overhear(command: &mut Command, show: Show) -> Result<Heard, Failure> {
    let cannot = format!("cannot start {}", shown(command));
    let (reader, writer) = std::io::pipe().map_err(Failure::io(&cannot))?;
    let errors = writer.try_clone().map_err(Failure::io(&cannot))?;
    let mut child = command.stdout(writer).stderr(errors).spawn().map_err(Failure::io(&cannot))?;
    // The command still holds its ends of the pipe; without this the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (lines, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if show == Show::Live {
                eprint!("{text}");
            }
            if lines.send(text).is_err() {
                return;
            }
        }
    });
    let status = child.wait().map_err(Failure::io(format_args!("cannot wait for {}", shown(command))))?;
    let mut text = String::new();
    while let Ok(line) = heard.recv_timeout(TAIL_GRACE) {
        text.push_str(&line);
    }
    if show == Show::AtEnd {
        eprint!("{text}");
    }
    Ok(Heard { success: status.success(), text })
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
