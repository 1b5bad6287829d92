//! Arguments of the commands about conflicts: listing and settling them.

use clap::Args;
use std::path::PathBuf;

pub const CONFLICTS_HELP: &str = "\
Example:
  fl0wfs conflicts ~/notes
  fl0wfs conflicts ~/notes/drafts --json

Without DIR, all mounts. The exit code tells: 0 none, 4 some.";

pub const RESOLVE_HELP: &str = "\
Example:
  fl0wfs resolve ~/notes/todo.txt --theirs
  fl0wfs resolve '~/notes/*.png' --both
  fl0wfs resolve ~/notes/plan.txt --edit
  fl0wfs resolve ~/notes/plan.txt --merged /tmp/plan.txt

Ours is the work that the conflict copy keeps, of the member it is named for; theirs is what holds the name. \
A resolution is a change like any other: it reaches everybody, and both contents stay in history.";

pub const MERGETOOL_HELP: &str = "\
Example:
  fl0wfs mergetool ~/notes/plan.txt
  fl0wfs mergetool ~/notes/plan.txt --tool vimdiff

LOCAL is the conflict copy's work, REMOTE what holds the name, BASE what both came from. The conflict is settled where the \
tool has merged it.";

#[derive(Debug, Args)]
pub struct ConflictsArgs {
    /// The mount, or a directory in it: then what is below.
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// One line of JSON per conflict.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Files in conflict, or their copies; patterns such as 'docs/*.txt' are matched against those.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ChoiceArgs {
    /// The conflict copy's content takes the name; the copy goes.
    #[arg(long)]
    pub ours: bool,
    /// What holds the name stays; the copy goes.
    #[arg(long)]
    pub theirs: bool,
    /// Both stay, as two ordinary files.
    #[arg(long)]
    pub both: bool,
    /// The content of this file takes the name; the copy goes.
    #[arg(long, value_name = "FILE")]
    pub merged: Option<PathBuf>,
    /// Edit the merge of both with $VISUAL or $EDITOR; what comes of it takes the name, the copy goes.
    #[arg(long)]
    pub edit: bool,
    /// Print the merge of both, with markers around what conflicts; nothing changes.
    #[arg(long)]
    pub print: bool,
    /// What was deleted on one side and changed on the other stays.
    #[arg(long)]
    pub revive: bool,
    /// What was deleted on one side and changed on the other goes.
    #[arg(long)]
    pub delete: bool,
}

#[derive(Debug, Args)]
pub struct MergetoolArgs {
    /// A file in conflict, or its copy.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Another of git's merge tools than the one that git is set up with.
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,
}
