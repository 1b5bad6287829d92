//! Programs that are kept from fetching: indexers and thumbnailers would otherwise bring a whole space to this machine.

use std::collections::BTreeSet;

/// Linux keeps so many bytes of a program's name.
const NAME_BYTES_MAX: usize = 15;
/// Indexers and thumbnailers of the usual desktops, as `/proc/PID/comm` has them.
const KNOWN: [&str; 22] = [
    "tracker-miner-f",
    "tracker-extract",
    "tracker-store",
    "localsearch",
    "localsearch-3",
    "localsearch-ext",
    "baloo_file",
    "baloo_file_extr",
    "recollindex",
    "recoll",
    "updatedb",
    "updatedb.mlocat",
    "updatedb.plocat",
    "tumblerd",
    "gnome-thumbnail",
    "gdk-pixbuf-thum",
    "evince-thumbnai",
    "totem-video-thu",
    "ffmpegthumbnail",
    "gsf-office-thum",
    "kioworker-thumb",
    "thumbnail.so",
];

/// Names of programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFrom(BTreeSet<String>);

impl Default for KeptFrom {
    fn default() -> KeptFrom {
        KeptFrom::of(KNOWN)
    }
}

impl KeptFrom {
    /// These programs; names are cut as Linux cuts them.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> KeptFrom {
        let cut = |name: &str| {
            String::from_utf8_lossy(&name.as_bytes()[..name.len().min(NAME_BYTES_MAX)]).into_owned()
        };
        KeptFrom(names.into_iter().filter(|name| !name.is_empty()).map(cut).collect())
    }

    /// Whether the process that this thread belongs to is one of them. A process that is gone is none.
    pub fn has(&self, thread: u32) -> bool {
        if self.0.is_empty() || thread == 0 {
            return false;
        }
        let name_of = |id: u32| std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        let is_named = |id: u32| self.0.contains(name_of(id).trim_end());
        is_named(thread) || process_of(thread).is_some_and(|process| process != thread && is_named(process))
    }
}

/// The process that a thread belongs to: threads have names of their own.
fn process_of(thread: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_name_and_by_that_of_its_process() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let own = KeptFrom::of([own.trim_end()]);
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        let thread = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
        assert!(own.has(std::process::id()) && own.has(thread));
        assert!(!KeptFrom::default().has(std::process::id()));
        assert!(!own.has(0) && !KeptFrom::of([""]).has(std::process::id()));
        assert_eq!(KeptFrom::of(["tracker-miner-fs-3"]), KeptFrom::of(["tracker-miner-f"]));
    }
}
