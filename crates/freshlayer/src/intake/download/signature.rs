//! Signatures of minisign. The key stands in the definition; the signature comes from the upstream, as the data does.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use minisign_verify::{PublicKey, Signature};

use crate::error::Error;
use crate::formats::pipe::{INPUT_BYTES, blocking};
use crate::intake::extract::Staged;
use crate::ports::ExpectedChecksum;
use crate::problem::{Code, Problem};

/// Returns the problem of a body that is not signed as it should be.
pub(super) async fn unsigned(
    checksums: &[ExpectedChecksum],
    body: &Staged,
) -> Result<Option<Problem>, Error> {
    for checksum in checksums {
        let ExpectedChecksum::Minisign { key, signature } = checksum else { continue };
        let (by, signature, file) = (key.clone(), signature.clone(), body.file.clone());
        let verified = blocking(move || verify(&by, &signature, &file)).await;
        if let Err(found) = verified.map_err(Error::io("read", &body.file))? {
            let expected = format!("a signature of the download by {key}");
            return Ok(Some(Problem::fail(Code::Signature, expected, found)));
        }
    }
    Ok(None)
}

/// Reads the file once. Signatures of the form before 2021, which are not of a hash, are refused.
fn verify(key: &str, signature: &str, file: &Path) -> std::io::Result<Result<(), String>> {
    let said = |error: minisign_verify::Error| error.to_string();
    let (key, signature) = match (PublicKey::from_base64(key), Signature::decode(signature)) {
        (Ok(key), Ok(signature)) => (key, signature),
        (Err(error), _) => return Ok(Err(said(error))),
        (_, Err(error)) => return Ok(Err(format!("no signature of minisign: {error}"))),
    };
    let mut verifier = match key.verify_stream(&signature) {
        Ok(verifier) => verifier,
        Err(error) => return Ok(Err(said(error))),
    };
    let (mut file, mut piece) = (File::open(file)?, vec![0; INPUT_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(verifier.finalize().map_err(said)),
            read => verifier.update(&piece[..read]),
        }
    }
}
