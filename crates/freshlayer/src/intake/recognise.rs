//! What a body is that no definition describes: its format, and which of its files is the data.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use freshlayer_reader::Format;
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::StagedFile;
use crate::formats::mmdb::data_end;
use crate::formats::sqlite::{HEADER_BYTES, Header};

/// Where an mmdb's metadata begins: at most so far from its end.
const TAIL_BYTES: u64 = 128 * 1024;

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) format: Format,
    /// Globs that take the data out of its archive; empty where nothing has to be chosen.
    pub(crate) select: Vec<String>,
}

/// Recognises one file by its bytes.
pub(crate) fn recognise_file(path: &Path) -> std::io::Result<Format> {
    let mut file = File::open(path)?;
    let mut start = Vec::with_capacity(HEADER_BYTES);
    file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut start)?;
    if Header::parse(&start).is_some() {
        return Ok(Format::Sqlite);
    }
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(if data_end(&tail).is_some() { Format::Mmdb } else { Format::File })
}

/// What plain bytes are, by how they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plain {
    /// A program or a script.
    Program,
    /// A web page.
    Page,
    /// Something else.
    Other,
}

impl Plain {
    /// Recognises how bytes begin.
    pub(crate) fn of(start: &[u8]) -> Self {
        let text = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').to_lowercase();
        let text = text.trim_start();
        if start.starts_with(b"\x7fELF") || start.starts_with(b"#!") {
            Self::Program
        } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
            Self::Page
        } else {
            Self::Other
        }
    }
}

/// Recognises what a container holds: one database among other files, or a tree of files.
pub(crate) fn recognise_files(files: &[StagedFile], below: &str) -> std::io::Result<Recognised> {
    let mut databases = Vec::new();
    for file in files {
        let format = recognise_file(&file.file)?;
        if format != Format::File {
            databases.push((format, file));
        }
    }
    let [(format, file)] = databases[..] else {
        return Ok(Recognised { format: Format::Archive, select: Vec::new() });
    };
    let name = file.path.as_str().strip_prefix(below).unwrap_or(file.path.as_str());
    let select = if files.len() == 1 { Vec::new() } else { vec![glob(name.trim_matches('/'))] };
    Ok(Recognised { format, select })
}

/// Makes a glob of a name whose folders may hold a date.
fn glob(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((folders, file)) => {
            format!("{}/{file}", vec!["*"; folders.split('/').count()].join("/"))
        }
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_name_may_change() {
        assert_eq!(glob("City_20260102/City.mmdb"), "*/City.mmdb");
        assert_eq!(glob("a/b/c.db"), "*/*/c.db");
        assert_eq!(glob("c.db"), "c.db");
    }
}
