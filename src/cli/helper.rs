//! `mount.fl0wfs`: what mount(8) calls for `mount -t fl0wfs` and for a line of fstab.

use super::failure::{CliError, Exit};
use super::mount::{self, MountLine};
use super::{output, remount};
use std::ffi::OsString;

const USAGE: &str = "mount.fl0wfs REMOTE:SPACE DIR [-sfnv] [-o OPTIONS]";

/// What mount(8) asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Call {
    places: Vec<OsString>,
    options: Vec<String>,
    /// Everything but mounting.
    fake: bool,
    verbose: bool,
}

/// Runs with the arguments of mount(8), the program's own name first.
pub fn run(arguments: &[OsString]) -> Result<Exit, CliError> {
    let call = parse(arguments.get(1..).unwrap_or_default())?;
    let [source, directory] = call.places.as_slice() else { return Err(bad("two places are needed")) };
    let source = source.to_str().ok_or_else(|| bad("the source is no text"))?;
    let line = MountLine { source: source.to_owned(), directory: directory.into(), options: call.options };
    if call.verbose {
        let options = line.options.join(",");
        output::note(&format!("mount.fl0wfs: {source} on {} ({options})", line.directory.display()));
    }
    match (call.fake, remount::is_asked(&line)) {
        (false, _) => mount::start(&line),
        (true, true) => remount::run(&line, true),
        (true, false) => line.check().map(|_| Exit::Done),
    }
}

fn parse(arguments: &[OsString]) -> Result<Call, CliError> {
    let mut call = Call::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let mut value =
            || arguments.next().and_then(|value| value.to_str()).ok_or_else(|| bad("a value is missing"));
        match text {
            "-o" => call.options.push(value()?.to_owned()),
            // The file system's type and a namespace: mount(8) has used them already.
            "-t" | "-N" => drop(value()?),
            flags if flags.len() > 1 && flags.starts_with('-') => call.take_flags(&flags[1..])?,
            _ => call.places.push(argument.clone()),
        }
    }
    Ok(call)
}

impl Call {
    fn take_flags(&mut self, flags: &str) -> Result<(), CliError> {
        for flag in flags.chars() {
            match flag {
                'f' => self.fake = true,
                'v' => self.verbose = true,
                'r' => self.options.push("ro".into()),
                'w' => self.options.push("rw".into()),
                // Sloppy (which would hide mistakes) and "do not write mtab" (which nobody does any more).
                's' | 'n' => {}
                other => return Err(bad(&format!("-{other} is not known"))),
            }
        }
        Ok(())
    }
}

fn bad(what: &str) -> CliError {
    CliError::Answered { message: format!("{what}; usage: {USAGE}"), hint: None, exit: Exit::Usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Call, CliError> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&arguments)
    }

    #[test]
    fn the_forms_that_mount_uses_are_understood() {
        let places = || vec![OsString::from("work:notes"), OsString::from("/mnt")];
        let call = parsed("work:notes /mnt -sv -n -o rw,nofail,x-y=z -t fl0wfs -o ro").unwrap();
        let options = vec!["rw,nofail,x-y=z".to_owned(), "ro".to_owned()];
        assert_eq!(call, Call { places: places(), options, fake: false, verbose: true });
        let call = parsed("-f -r work:notes /mnt").unwrap();
        assert_eq!(call, Call { places: places(), options: vec!["ro".into()], fake: true, verbose: false });
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        for line in ["a:b /mnt -o", "a:b /mnt -x", "a:b", "a:b /mnt /more"] {
            let arguments: Vec<OsString> =
                ["mount.fl0wfs"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            let error = run(&arguments).unwrap_err();
            assert_eq!(super::super::failure::explain(&error).exit, Exit::Usage, "{line}");
        }
    }
}
