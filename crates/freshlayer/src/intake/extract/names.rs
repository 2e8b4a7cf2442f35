use std::collections::HashMap;

use crate::opt_path::OptPath;
use crate::problem::{Code, Problem};

/// The names of a layer so far. No two may be equal or differ in case only, and none may be another's
/// folder: `/opt` must come out the same on every file system.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Lower-cased path to the path as it came, of files and of their folders.
    seen: HashMap<String, (String, Kind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl Names {
    /// Takes a file's name, or says what it collides with.
    pub(crate) fn take(&mut self, path: &OptPath) -> Result<(), Problem> {
        let path = path.as_str();
        let folders = path.match_indices('/').map(|(at, _)| (&path[..at], Kind::Folder));
        let names: Vec<_> = folders.chain([(path, Kind::File)]).collect();
        for &(name, kind) in &names {
            if let Some((other, other_kind)) = self.seen.get(&name.to_lowercase()) {
                collision(name, kind, other, *other_kind).map_err(|p| p.at(path))?;
            }
        }
        for (name, kind) in names {
            self.seen.entry(name.to_lowercase()).or_insert((name.to_owned(), kind));
        }
        Ok(())
    }
}

fn collision(name: &str, kind: Kind, other: &str, other_kind: Kind) -> Result<(), Problem> {
    match (kind, other_kind) {
        (Kind::Folder, Kind::Folder) if name == other => Ok(()),
        (Kind::File, Kind::File) if name == other => {
            let expected = "each name once";
            Err(Problem::fail(Code::EntryDuplicate, expected, format!("{name} twice")))
        }
        _ if name != other => {
            let expected = "names that differ in more than case";
            let found = format!("{name} beside {other}");
            Err(Problem::fail(Code::EntryDuplicate, expected, found))
        }
        _ => {
            let expected = "a name to be a file or a folder";
            Err(Problem::fail(Code::EntryFolder, expected, format!("{name} as both")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(paths: &[&str]) -> Vec<Option<Code>> {
        let mut names = Names::default();
        let take = |path: &&str| {
            let path = OptPath::parse(path).expect("valid");
            names.take(&path).err().map(|problem| problem.code)
        };
        paths.iter().map(take).collect()
    }

    #[test]
    fn collisions_are_found() {
        let (duplicate, folder) = (Some(Code::EntryDuplicate), Some(Code::EntryFolder));
        assert_eq!(codes(&["a/b", "a/c", "d"]), [None, None, None]);
        assert_eq!(codes(&["a/b", "a/b"]), [None, duplicate]);
        assert_eq!(codes(&["a/b", "a/B"]), [None, duplicate]);
        assert_eq!(codes(&["a/b", "A/c"]), [None, duplicate]);
        assert_eq!(codes(&["a/b", "a"]), [None, folder]);
        assert_eq!(codes(&["a", "a/b"]), [None, folder]);
    }
}
