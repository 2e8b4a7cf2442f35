//! `source.https`: its mirrors, and what is sent to it.

use std::collections::BTreeMap;
use std::path::Path;

use minisign_verify::PublicKey;

use super::super::raw::{RawBasic, RawSource};
use super::super::rules::{CREDENTIAL_WORDS, OWN_HEADERS};
use super::super::secret::SecretRef;
use super::super::source::{
    Authorization, HeaderText, HttpsSource, RequestHeaders, SignatureSpec, SourceUrl,
};
use super::Parser;
use super::source::has_credentials;

/// Characters of a header's name beside letters and digits. Source: RFC 9110, section 5.6.2.
const NAME_MARKS: &str = "!#$%&'*+-.^_`|~";

impl Parser<'_> {
    /// Notes keys that only an address takes.
    pub(super) fn only_with_https(&mut self, at: &str, raw: &RawSource) {
        if raw.https.is_some() {
            return;
        }
        let given = [
            ("mirrors", raw.mirrors.is_some()),
            ("headers", raw.headers.is_some()),
            ("bearer", raw.bearer.is_some()),
            ("basic", raw.basic.is_some()),
            ("minisign_key", raw.minisign_key.is_some()),
            ("signature_url", raw.signature_url.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            self.problem(&["dataset", at, "source", key], "goes with `https` only");
        }
    }

    pub(super) fn https(&mut self, at: &str, text: &str, raw: &RawSource) -> Option<HttpsSource> {
        let url = self.url(&["dataset", at, "source", "https"], text, raw.plain_http);
        let mut mirrors = Vec::new();
        for (number, text) in raw.mirrors.iter().flatten().enumerate() {
            let path = ["dataset", at, "source", "mirrors", &number.to_string()];
            mirrors.push(self.url(&path, text, raw.plain_http));
        }
        let named = self.headers(at, raw.headers.as_ref());
        self.one_authorization(at, raw, url.as_ref());
        let authorization = self.authorization(at, raw);
        let signature = self.signature(at, raw);
        Some(HttpsSource {
            url: url?,
            mirrors: mirrors.into_iter().collect::<Option<_>>()?,
            headers: RequestHeaders { named, authorization },
            signature,
            plain_http: raw.plain_http,
        })
    }

    fn signature(&mut self, at: &str, raw: &RawSource) -> Option<SignatureSpec> {
        let path = |key| ["dataset", at, "source", key];
        let url = raw.signature_url.as_ref();
        let url = url.and_then(|text| self.url(&path("signature_url"), text, raw.plain_http));
        let Some(key) = &raw.minisign_key else {
            if raw.signature_url.is_some() {
                self.problem(&path("signature_url"), "goes with `minisign_key` only");
            }
            return None;
        };
        let usable = PublicKey::from_base64(key).is_ok() && key.starts_with("RW");
        if !usable {
            let message = "expected a public key of minisign, which begins with RW";
            self.problem(&path("minisign_key"), message);
        }
        usable.then(|| SignatureSpec { key: key.clone(), url })
    }

    fn headers(
        &mut self,
        at: &str,
        raw: Option<&BTreeMap<String, String>>,
    ) -> Vec<(String, HeaderText)> {
        let mut named = Vec::new();
        for (name, text) in raw.into_iter().flatten() {
            let path = ["dataset", at, "source", "headers", name];
            let text = header_name(name).and_then(|()| self.header_text(text));
            let text = text.and_then(|text| match text {
                HeaderText::Written(_) if carries_credential(name) => Err(
                    "what is written here ends up in version control and in logs; write a secret's reference in its \
                     place, as in `${KEY}`"
                        .to_owned(),
                ),
                text => Ok(text),
            });
            named.extend(self.noted(&path, text).map(|text| (name.clone(), text)));
        }
        named
    }

    fn one_authorization(&mut self, at: &str, raw: &RawSource, url: Option<&SourceUrl>) {
        let user = url.is_some_and(|url| has_credentials(url.expose()));
        let header = raw
            .headers
            .iter()
            .flatten()
            .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let given = [user, raw.bearer.is_some(), raw.basic.is_some(), header];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let message = "expected one of `bearer`, `basic`, the header `Authorization` and a user in the address";
            self.problem(&["dataset", at, "source"], message);
        }
    }

    fn authorization(&mut self, at: &str, raw: &RawSource) -> Option<Authorization> {
        let bearer = raw.bearer.as_ref().and_then(|token| {
            let token = self.secret(token);
            self.noted(&["dataset", at, "source", "bearer"], token)
        });
        let basic = raw.basic.as_ref().and_then(|basic| self.basic(at, basic));
        bearer.map(Authorization::Bearer).or(basic)
    }

    fn basic(&mut self, at: &str, raw: &RawBasic) -> Option<Authorization> {
        let path = |key| ["dataset", at, "source", "basic", key];
        let user = match self.header_text(&raw.user) {
            Ok(HeaderText::Written(user)) if user.is_empty() || user.contains(':') => {
                Err("expected a name without a colon".to_owned())
            }
            user => user,
        };
        let (user, password) = (self.noted(&path("user"), user), self.secret(&raw.password));
        let password = self.noted(&path("password"), password);
        Some(Authorization::Basic { user: user?, password: password? })
    }

    /// Reads a value that may be written out. One that looks like a secret's reference has to be one.
    fn header_text(&self, text: &str) -> Result<HeaderText, String> {
        let forms = ["${", "file:", "secretsmanager:", "ssm:"];
        if text.contains(forms[0]) || forms.iter().any(|form| text.starts_with(form)) {
            return self.secret(text).map(HeaderText::Secret);
        }
        if text.chars().all(|c| !c.is_control()) {
            return Ok(HeaderText::Written(text.to_owned()));
        }
        Err("expected one line".to_owned())
    }

    pub(super) fn secret(&self, text: &str) -> Result<SecretRef, String> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        SecretRef::parse(text, &std::path::absolute(folder).unwrap_or(folder.to_owned()))
    }
}

fn header_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || NAME_MARKS.contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err("expected a header's name".to_owned());
    }
    if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err("freshlayer writes this header itself".to_owned());
    }
    Ok(())
}

/// Tells by its name whether a header carries what identifies us.
fn carries_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
}
