use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use freshlayer_reader::Format;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::budget::problem_of;
use super::selection::{LeftOut, Listed};
use super::{Budget, ExtraDigest, Names};
use crate::definition::{Dataset, FormatSpec};
use crate::error::Error;
use crate::formats::deflate::{Deflated, Packer, UpstreamStream};
use crate::limits::Limits;
use crate::names::{Digest, hex};
use crate::opt_path::{Mode, OptPath};
use crate::problem::{Code, Problem};
use crate::progress::Meter;

const BUFFER_BYTES: usize = 256 * 1024;

/// One file of a dataset on disk, and what it will be under `/opt`.
#[derive(Debug, Clone)]
pub(crate) struct StagedFile {
    pub(crate) path: OptPath,
    pub(crate) mode: Mode,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: Digest,
    pub(crate) md5: Option<String>,
    pub(crate) file: PathBuf,
    /// The same bytes, ready for a zip.
    pub(crate) deflated: Deflated,
}

/// One entry of a container.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// Where the upstream's deflate stream produces its first byte, where keeping that stream is worth it.
    pub(super) stream_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        mode: u32,
    },
    Folder,
    Link,
    Special,
    /// The one stream of a compressed file that is no archive.
    Only,
}

/// Decides which entries are taken, and writes them.
pub(super) struct Taker<'a> {
    dataset: &'a Dataset,
    limits: &'a Limits,
    folder: &'a Path,
    extra_digest: ExtraDigest,
    budget: Budget,
    meter: &'a Meter,
    upstream: Option<UpstreamStream>,
    names: Names,
    entries: u64,
    size_bytes: u64,
    left_out: LeftOut,
    taken: Vec<(String, StagedFile)>,
    problems: Vec<Problem>,
}

impl<'a> Taker<'a> {
    pub(super) fn new(
        dataset: &'a Dataset,
        limits: &'a Limits,
        folder: &'a Path,
        extra_digest: ExtraDigest,
        budget: Budget,
        meter: &'a Meter,
    ) -> Self {
        Self {
            dataset,
            limits,
            folder,
            extra_digest,
            budget,
            meter,
            upstream: None,
            names: Names::default(),
            entries: 0,
            size_bytes: 0,
            left_out: LeftOut::default(),
            taken: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Names the deflate stream that the next entries come from.
    pub(super) fn comes_from(&mut self, upstream: UpstreamStream) {
        self.upstream = Some(upstream);
    }

    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem.of(&self.dataset.name));
    }

    /// Counts an entry; `false` once there are too many.
    pub(super) fn count_entry(&mut self) -> bool {
        self.entries += 1;
        let most = self.limits.entries_max;
        if self.entries > most {
            let expected = format!("at most {most} entries");
            self.refuse(Problem::fail(Code::EntryLimit, expected, "more"));
        }
        self.entries <= most
    }

    pub(super) fn entry(&mut self, entry: &Entry<'_>, reader: &mut dyn Read) -> Result<(), Error> {
        let name = entry.name.strip_prefix("./").unwrap_or(entry.name);
        if entry.kind == Kind::Folder {
            return Ok(());
        }
        if entry.kind != Kind::Only && !self.dataset.source.select.globs.is_match(name) {
            return Ok(self.left_out.unmatched.add(name));
        }
        match self.place(name, entry.kind) {
            Ok(Some(path)) => self.write(&Entry { name, ..*entry }, path, reader),
            Ok(None) => Ok(self.left_out.stripped.add(name)),
            Err(problem) => Ok(self.refuse(problem)),
        }
    }

    /// Says where an entry lands: nowhere for one that is stripped away whole.
    fn place(&mut self, name: &str, kind: Kind) -> Result<Option<OptPath>, Problem> {
        match kind {
            Kind::Link => {
                let expected = "plain files: Lambda fails on links in layers";
                return Err(Problem::fail(Code::EntryLink, expected, "a link").at(name));
            }
            Kind::Special => {
                let found = "a device, pipe or sparse file";
                return Err(Problem::fail(Code::EntrySpecial, "plain files", found).at(name));
            }
            Kind::File { .. } | Kind::Folder | Kind::Only => {}
        }
        let bad_name = |found: String| {
            Problem::fail(Code::EntryPath, "a name inside the dataset's folder", found).at(name)
        };
        if kind != Kind::Only {
            OptPath::parse(name).map_err(bad_name)?;
        }
        if self.dataset.format() != Format::Archive {
            return Ok(Some(self.dataset.path.clone()));
        }
        let strip = self.dataset.source.select.strip_components;
        let kept: Vec<&str> = name.split('/').skip(strip).collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let below = OptPath::parse(&kept.join("/")).map_err(bad_name)?;
        let path = self.dataset.path.join(&below);
        if path.is_reserved() {
            return Err(reserved(&path));
        }
        self.names.take(&path)?;
        Ok(Some(path))
    }

    fn write(
        &mut self,
        entry: &Entry<'_>,
        path: OptPath,
        reader: &mut dyn Read,
    ) -> Result<(), Error> {
        let (name, mode) = (entry.name, self.mode(entry.kind));
        let file = self.folder.join(self.taken.len().to_string());
        let mut output = File::create(&file).map_err(Error::io("write", &file))?;
        let stream = deflated_beside(&file);
        // What is refused already needs no zip.
        let upstream = self.upstream.as_mut().filter(|_| self.problems.is_empty());
        let stream_at = entry.stream_at.filter(|_| upstream.is_some());
        if let (Some(upstream), Some(_)) = (upstream, stream_at) {
            upstream.begin();
        }
        let mut packer = Packer::new(stream_at, stream.clone());
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        let mut size_bytes = 0;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Ok(self.refuse(problem_of(&error).at(shown(name)))),
            };
            size_bytes += read as u64;
            if let Err(problem) = self.spend(read as u64) {
                return Ok(self.refuse(problem.at(shown(name))));
            }
            output.write_all(&buffer[..read]).map_err(Error::io("write", &file))?;
            packer.write_all(&buffer[..read]).map_err(Error::io("write", &stream))?;
            sha256.update(&buffer[..read]);
            if self.extra_digest == ExtraDigest::Md5 {
                md5.update(&buffer[..read]);
            }
            self.meter.add(read);
        }
        let md5 = (self.extra_digest == ExtraDigest::Md5).then(|| hex(&md5.finalize()));
        let sha256 = Digest::of(sha256);
        let upstream = self.upstream.as_mut();
        let deflated = packer.finish(&file, size_bytes, upstream);
        let deflated = deflated.map_err(Error::io("write", &stream))?;
        let staged = StagedFile { path, mode, size_bytes, sha256, md5, file, deflated };
        self.taken.push((name.to_owned(), staged));
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Problem> {
        self.budget.spend(bytes)?;
        self.size_bytes += bytes;
        let most = self.limits.unpacked_bytes_max;
        if self.size_bytes > most {
            let expected = format!("at most {most} bytes for the dataset");
            return Err(Problem::fail(
                Code::ExpansionLimit,
                expected,
                "more; unpacking was stopped",
            ));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<StagedFile>, Vec<Problem>> {
        if self.problems.is_empty() {
            self.judge_selection();
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let mut files: Vec<StagedFile> = self.taken.into_iter().map(|(_, file)| file).collect();
        files.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
        Ok(files)
    }

    fn judge_selection(&mut self) {
        if self.taken.is_empty() {
            self.refuse(self.left_out.problem(&self.dataset.source.select));
        } else if self.taken.len() > 1 && self.dataset.format() != Format::Archive {
            let mut names = Listed::default();
            self.taken.iter().for_each(|(name, _)| names.add(name));
            let found = format!("{} files: {names}", self.taken.len());
            let expected = "one file; name it with `source.select`";
            self.refuse(Problem::fail(Code::SelectMany, expected, found));
        }
    }

    /// Keeps the executable bit of an entry; a single file may get it from its definition.
    fn mode(&self, kind: Kind) -> Mode {
        match (&self.dataset.spec, kind) {
            (FormatSpec::File { mode: Mode::Executable, .. }, _) => Mode::Executable,
            (_, Kind::File { mode }) => Mode::of_bits(mode),
            _ => Mode::Plain,
        }
    }
}

/// Says that a file takes the place of the manifests.
pub(crate) fn reserved(path: &OptPath) -> Problem {
    let expected = "a name outside `freshlayer/`, which holds the manifests";
    Problem::fail(Code::EntryPath, expected, path.as_str()).at(path.as_str())
}

/// Names the file that holds another one's bytes compressed.
pub(crate) fn deflated_beside(file: &Path) -> PathBuf {
    file.with_extension("deflate")
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "the compressed stream" } else { name }
}

pub(super) fn md5_of(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut md5 = Md5::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hex(&md5.finalize())),
            read => md5.update(&buffer[..read]),
        }
    }
}
