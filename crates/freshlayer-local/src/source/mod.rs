mod folder;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use freshlayer::definition::{ChecksumSpec, Origin};
use freshlayer::ports::{
    Body, ExpectedChecksum, Fetch, News, Request, Source, SourceError, UpstreamFacts, Validators,
};
use futures_util::stream;
use jiff::Timestamp;

use folder::Folder;

const CHUNK_BYTES: usize = 256 * 1024;

/// Files and folders of this machine. What names a file's state is its size and the time of its last change; what
/// names a folder's is a digest of the names, modes, sizes and times in it. A folder comes as a tar.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSource;

#[async_trait]
impl Source for FileSource {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let Origin::File { path } = &request.source.origin else {
            return Err(SourceError::Setup("this adapter reads files only".to_owned()));
        };
        let metadata = std::fs::metadata(path).map_err(fault(path))?;
        if metadata.is_dir() {
            fetch_folder(&request, path)
        } else if metadata.is_file() {
            fetch_file(&request, path)
        } else {
            let problem = format!("read {}: it is neither a file nor a folder", path.display());
            Err(SourceError::Setup(problem))
        }
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        Ok(self.fetch(request).await?.news())
    }
}

fn fault(path: &Path) -> impl FnOnce(std::io::Error) -> SourceError {
    move |error| SourceError::Setup(format!("read {}: {error}", path.display()))
}

fn fetch_file(request: &Request<'_>, path: &Path) -> Result<Fetch, SourceError> {
    let file = File::open(path).map_err(fault(path))?;
    let metadata = file.metadata().map_err(fault(path))?;
    let last_modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let changed = last_modified.map(|time| time.as_nanosecond().to_string());
    let state = format!("{} {}", metadata.len(), changed.unwrap_or_default());
    let validators = Validators { last_modified: Some(state), ..Validators::default() };
    if request.known == Some(&validators) {
        return Ok(Fetch::Unchanged);
    }
    let checksums = match &request.source.checksum {
        None => Vec::new(),
        Some(ChecksumSpec::Sha256(digest)) => {
            vec![ExpectedChecksum::TransferSha256(digest.clone())]
        }
        Some(ChecksumSpec::Sha256Url(url)) => {
            let problem = format!("{url}: a file source takes its checksum from `sha256`");
            return Err(SourceError::Setup(problem));
        }
    };
    let facts = UpstreamFacts { url: path.display().to_string(), etag: None, last_modified };
    let length_bytes = Some(metadata.len());
    let chunks = Box::pin(stream::iter(chunks(file, path)));
    Ok(Fetch::Body(Body { validators, facts, length_bytes, checksums, chunks }))
}

fn fetch_folder(request: &Request<'_>, path: &Path) -> Result<Fetch, SourceError> {
    if request.source.checksum.is_some() {
        let problem = format!("{}: a folder has no checksum; remove it", path.display());
        return Err(SourceError::Setup(problem));
    }
    let folder = Folder::list(path, request.limits.entries_max)?;
    if folder.is_empty() {
        return Err(SourceError::Setup(format!(
            "read {}: the folder holds no file",
            path.display()
        )));
    }
    let validators = Validators { last_modified: Some(folder.state()), ..Validators::default() };
    if request.known == Some(&validators) {
        return Ok(Fetch::Unchanged);
    }
    // The times in a folder go back when a file is deleted or restored: none of them is a build time.
    let facts = UpstreamFacts { url: path.display().to_string(), etag: None, last_modified: None };
    Ok(Fetch::Body(Body {
        validators,
        facts,
        length_bytes: Some(folder.tar_bytes()?),
        checksums: Vec::new(),
        chunks: Box::pin(stream::iter(folder.into_tar())),
    }))
}

fn chunks(mut file: File, path: &Path) -> impl Iterator<Item = Result<Bytes, SourceError>> + use<> {
    let path = path.display().to_string();
    std::iter::from_fn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk) {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some(Ok(Bytes::from(chunk)))
            }
            Err(error) => Some(Err(SourceError::Setup(format!("read {path}: {error}")))),
        }
    })
}
