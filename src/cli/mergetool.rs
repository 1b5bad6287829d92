//! `fl0wfs mergetool`: git's merge tools on the contents of a conflict, in a repository that is thrown away.
//!
//! Invariant: the conflict is settled only where the tool says that it was merged, the file is no longer in conflict
//! for git, and no marker is left in it.

use super::args::MergetoolArgs;
use super::failure::{CliError, Exit};
use super::resolve::meant_alone;
use super::sides::Sides;
use crate::member::control::Side;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What would lead git to another repository than this one.
const GIT_VARIABLES: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
];

pub fn run(arguments: &MergetoolArgs) -> Result<Exit, CliError> {
    let (mounted, path) = meant_alone(&arguments.path)?;
    let sides = Sides::fetch(mounted, path)?;
    let repository = Repository::make(&sides)?;
    repository.put_in_conflict(&sides)?;
    let mut tool = repository.git(&["mergetool", "--no-prompt"]);
    if let Some(name) = &arguments.tool {
        tool.arg("--tool").arg(name);
    }
    let ended = tool.arg("--").arg(&repository.name).status().map_err(no_git)?;
    let unmerged = repository.output(&["ls-files", "--unmerged"])?;
    if !ended.success() || !unmerged.is_empty() {
        let hint =
            Some("git mergetool --tool-help lists the tools; git config merge.tool NAME chooses one".into());
        let message = "the merge tool has not merged it; nothing is settled".into();
        return Err(CliError::Answered { message, hint, exit: Exit::Failed });
    }
    sides.settle_with(&repository.directory.join(&repository.name))
}

/// A repository with one file in it.
struct Repository {
    directory: PathBuf,
    name: String,
}

impl Repository {
    fn make(sides: &Sides) -> Result<Repository, CliError> {
        let directory = sides.directory.path().join("repository");
        std::fs::create_dir(&directory).map_err(CliError::System)?;
        let repository = Repository { directory, name: plain_name(sides.name()) };
        repository.done(&["init", "--quiet", "--template="])?;
        // The bytes are the file's, whatever git is told to do with line endings elsewhere.
        for (setting, value) in [("core.autocrlf", "false"), ("core.attributesFile", "/dev/null")] {
            repository.done(&["config", setting, value])?;
        }
        Ok(repository)
    }

    /// Makes the file one that git has not merged: its contents in the index, the markers in the file.
    fn put_in_conflict(&self, sides: &Sides) -> Result<(), CliError> {
        let mut stages = String::new();
        for (stage, side) in [(1, Side::Base), (2, Side::Local), (3, Side::Remote)] {
            let Some(file) = sides.file(side)? else { continue };
            let hash =
                self.git(&["hash-object", "-w", "--no-filters", "--"]).arg(file).output().map_err(no_git)?;
            let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
            stages.push_str(&format!("100644 {hash} {stage}\t{}\n", self.name));
        }
        let mut update = self.git(&["update-index", "--index-info"]);
        let mut running = update.stdin(Stdio::piped()).spawn().map_err(no_git)?;
        if let Some(mut input) = running.stdin.take() {
            input.write_all(stages.as_bytes()).map_err(CliError::System)?;
        }
        check("update-index", running.wait().map_err(CliError::System)?.success())?;
        let file = self.directory.join(&self.name);
        match sides.marked_up()? {
            Some(marked) => std::fs::write(file, marked),
            None => std::fs::copy(sides.file(Side::Remote)?.unwrap_or_default(), file).map(drop),
        }
        .map_err(CliError::System)
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.current_dir(&self.directory).args(arguments);
        for variable in GIT_VARIABLES {
            git.env_remove(variable);
        }
        git
    }

    fn done(&self, arguments: &[&str]) -> Result<(), CliError> {
        check(arguments[0], self.git(arguments).status().map_err(no_git)?.success())
    }

    fn output(&self, arguments: &[&str]) -> Result<Vec<u8>, CliError> {
        let output = self.git(arguments).output().map_err(no_git)?;
        check(arguments[0], output.status.success())?;
        Ok(output.stdout)
    }
}

fn check(command: &str, succeeded: bool) -> Result<(), CliError> {
    let message = format!("git {command} failed; nothing is settled");
    if succeeded { Ok(()) } else { Err(CliError::Answered { message, hint: None, exit: Exit::Failed }) }
}

fn no_git(error: io::Error) -> CliError {
    if error.kind() != io::ErrorKind::NotFound {
        return CliError::System(error);
    }
    CliError::Answered {
        message: "git is not installed, and its merge tools are what is used here".into(),
        hint: Some("fl0wfs resolve PATH --edit and --merged FILE need no git".into()),
        exit: Exit::Failed,
    }
}

/// A name that no tool stumbles over, with the ending that says what the file is.
fn plain_name(name: &OsStr) -> String {
    let plain = |text: &OsStr| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let starts_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        let text = text.to_str().filter(|text| starts_well && text.bytes().all(|byte| is_plain(&byte)));
        text.map(str::to_owned)
    };
    plain(name).unwrap_or_else(|| {
        let ending = Path::new(name).extension().and_then(plain);
        ending.map_or("merged".to_owned(), |ending| format!("merged.{ending}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_where_no_tool_stumbles_over_them() {
        let cases = [
            ("plan.txt", "plan.txt"),
            ("a-b_c.tar.gz", "a-b_c.tar.gz"),
            ("my plan.txt", "merged.txt"),
            (".git", "merged"),
            ("-rf", "merged"),
            ("x\n.json", "merged.json"),
            ("caf\u{e9}", "merged"),
        ];
        for (name, expected) in cases {
            assert_eq!(plain_name(OsStr::new(name)), expected, "{name:?}");
        }
    }
}
