//! What went wrong on the way, in words for people.

/// What the TLS library calls by names of its own, and what that means.
const CERTIFICATES: [(&str, &str); 4] = [
    (
        "CaUsedAsEndEntity",
        "the server's certificate is one of a certificate authority; the server needs one of its own",
    ),
    (
        "UnknownIssuer",
        "no authority that this machine trusts issued the server's certificate; SSL_CERT_FILE names a file with others",
    ),
    ("NotValidForName", "the server's certificate is for another host"),
    ("certificate expired", "the server's certificate expired"),
];

/// Says what went wrong, without the address: it may hold a secret.
pub(crate) fn cause(error: reqwest::Error) -> String {
    in_words(freshlayer::chain(&error.without_url()))
}

fn in_words(text: String) -> String {
    let known = CERTIFICATES.iter().find(|(name, _)| text.contains(name));
    known.map_or(text, |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_tls_library_become_words() {
        let said =
            "error sending request: invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))";
        assert!(in_words(said.to_owned()).contains("certificate authority"));
        let other = "connection refused".to_owned();
        assert_eq!(in_words(other.clone()), other);
    }
}
