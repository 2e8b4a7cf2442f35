//! Identifiers: how a name of the data becomes one, and that no two become the same.

use std::collections::BTreeMap;

use super::model::Record;
use super::{CodegenError, Language};

/// How a language writes a name of several words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// `time_zone`.
    Snake,
    /// `timeZone`.
    Camel,
    /// `TimeZone`.
    Pascal,
}

/// The names of one place in the code: no two of its members have the same.
pub(super) struct Scope {
    language: Language,
    place: String,
    case: Case,
    taken: BTreeMap<String, String>,
}

impl Scope {
    pub(super) fn new(language: Language, case: Case, place: impl Into<String>) -> Self {
        Self { language, place: place.into(), case, taken: BTreeMap::new() }
    }

    /// Makes the identifier of a name.
    ///
    /// # Errors
    /// The name has nothing to make one of, or another name became the same.
    pub(super) fn name(&mut self, original: &str) -> Result<String, CodegenError> {
        let (language, place) = (self.language, self.place.clone());
        let Some(identifier) = identifier(language, self.case, original) else {
            return Err(CodegenError::Nameless { language, place, name: original.to_owned() });
        };
        match self.taken.insert(identifier.clone(), original.to_owned()) {
            Some(first) if first != original => {
                let second = original.to_owned();
                Err(CodegenError::Clash { language, place, first, second, identifier })
            }
            _ => Ok(identifier),
        }
    }
}

impl Scope {
    /// Makes the name of an object's type, where all types of a layer stand in one place.
    ///
    /// # Errors
    /// As [`Scope::name`].
    pub(super) fn object(
        &mut self,
        dataset: &str,
        record: &Record,
    ) -> Result<String, CodegenError> {
        match &record.path[..] {
            // The record itself has no name in the data: a space keeps it apart from a field of that name.
            [] => self.name(&format!("{dataset} record")),
            path => self.name(&format!("{dataset}.{}", path.join("."))),
        }
    }
}

/// Says where names stand.
pub(super) fn place(dataset: &str, path: &str) -> String {
    if path.is_empty() {
        format!("dataset `{dataset}`")
    } else {
        format!("`{path}` of dataset `{dataset}`")
    }
}

/// Writes a text as Python, TypeScript, Java and C# have it: as JSON. Names of the data hold no control character.
pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Makes an identifier: words of letters and digits, `n` before a digit at the start, `_` behind a word of the language.
pub(super) fn identifier(language: Language, case: Case, text: &str) -> Option<String> {
    let words = words(text);
    let joined = match case {
        Case::Snake => words.join("_"),
        Case::Pascal => words.iter().map(|word| capital(word)).collect(),
        Case::Camel => {
            let (first, rest) = words.split_first()?;
            first.clone() + &rest.iter().map(|word| capital(word)).collect::<String>()
        }
    };
    let digit = joined.chars().next()?.is_ascii_digit();
    let before = match (digit, case) {
        (true, Case::Pascal) => "N",
        (true, _) => "n",
        (false, _) => "",
    };
    let behind = if is_reserved(language, case, &joined) { "_" } else { "" };
    Some(format!("{before}{joined}{behind}"))
}

/// Splits a name where it has something else than letters and digits, and where a capital follows a small letter.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in text.chars() {
        let breaks = !letter.is_ascii_alphanumeric();
        if breaks || (after_small && letter.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| !breaks) {
            word.push(letter.to_ascii_lowercase());
        }
        after_small = letter.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Tells whether the language, or the code that is written, has the word already.
fn is_reserved(language: Language, case: Case, word: &str) -> bool {
    let words = match (language, case) {
        (Language::Rust, Case::Pascal) => RUST_TYPES,
        (Language::Rust, _) => RUST,
        (Language::Python, Case::Pascal) => PYTHON_TYPES,
        (Language::Python, _) => PYTHON,
        (Language::Typescript, Case::Pascal) => TYPESCRIPT_TYPES,
        (Language::Typescript, _) => TYPESCRIPT,
        (Language::Java, Case::Pascal) => JAVA_TYPES,
        (Language::Java, _) => JAVA,
        (Language::Csharp, Case::Pascal) => CSHARP_TYPES,
        (Language::Csharp, _) => CSHARP,
    };
    words.split_whitespace().any(|reserved| reserved == word)
}

// Keywords, then the names that the written code uses itself. Sources: the languages' references.
const RUST: &str = "abstract as async await become box break const continue core crate do dyn else enum extern \
    false final fn for freshlayer_reader gen if impl in let loop macro match mod move mut override priv pub ref \
    return rusqlite self serde serde_json static std struct super trait true try type typeof unsafe unsized use \
    virtual where while yield";
const RUST_TYPES: &str = "Bytes Clone Connection Debug Default Deserialize Err Error IpAddr Layer \
    MaxMindDbError MmdbReader None Ok Option Params PartialEq PathBuf Record Result Row Self Serialize Some String Value \
    Vec";
const PYTHON: &str = "and as assert async await break class continue count def del elif else except finally for \
    from global if import in index is lambda nonlocal not or pass raise return try while with yield";
const PYTHON_TYPES: &str = "Any False IPv4Address IPv6Address Layer NamedTuple None Path Required True \
    TypedDict";
const TYPESCRIPT: &str = "arguments await break case catch class const continue debugger default delete do else \
    enum eval export extends false finally for function if implements import in instanceof interface let new null \
    package private protected public return static super switch this throw true try typeof var void while with \
    yield";
const TYPESCRIPT_TYPES: &str = "Array Buffer DatabaseSync Date Error JSON Layer Listed Math Number Object Promise \
    Reader Response String Uint8Array";
const JAVA: &str = "abstract assert boolean break byte case catch char class clone const continue default do double \
    else enum extends false final finalize finally float for getClass goto hashCode if implements import \
    instanceof int interface long native new notify notifyAll null package private protected public record return short \
    static strictfp super switch synchronized this throw throws toString transient true try void volatile wait \
    while yield";
const JAVA_TYPES: &str = "ArrayList BigInteger Boolean Connection Double DriverManager Float InetAddress Integer \
    JsonNode List Long Map Math MaxMindDbConstructor MaxMindDbParameter Number \
    Object ObjectMapper ObjectNode Override Path PreparedStatement Reader Record ResultSet \
    String System";
const CSHARP: &str = "abstract as base bool break byte case catch char checked class const continue decimal \
    default delegate do double else enum event explicit extern false finally fixed float for foreach goto if \
    implicit in int interface internal is lock long namespace new null object operator out override params \
    private protected public readonly ref return sbyte sealed short sizeof stackalloc static string struct switch \
    this throw true try typeof uint ulong unchecked unsafe ushort using virtual void volatile while";
const CSHARP_TYPES: &str = "BigInteger Boolean Clone DateTimeOffset Dictionary Environment Equals File Find \
    GetHashCode GetType InvalidDataException JsonDocument JsonElement JsonSerializer Layer List \
    MapKey Math MemberwiseClone Path Reader ReferenceEquals SqliteConnection \
    SqliteConnectionStringBuilder SqliteDataReader SqliteOpenMode String TimeSpan ToString Uri";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers() {
        for (language, case, text, expected) in [
            (Language::Rust, Case::Snake, "iso_code", Some("iso_code")),
            (Language::Rust, Case::Snake, "isoCode", Some("iso_code")),
            (Language::Rust, Case::Snake, "is-anycast", Some("is_anycast")),
            (Language::Rust, Case::Snake, "type", Some("type_")),
            (Language::Rust, Case::Snake, "2letters", Some("n2letters")),
            (Language::Rust, Case::Pascal, "zh-CN", Some("ZhCn")),
            (Language::Rust, Case::Pascal, "option", Some("Option_")),
            (Language::Java, Case::Camel, "time_zone", Some("timeZone")),
            (Language::Java, Case::Camel, "class", Some("class_")),
            (Language::Python, Case::Snake, "%%", None),
            (Language::Csharp, Case::Pascal, "3d", Some("N3d")),
        ] {
            assert_eq!(identifier(language, case, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn two_names_never_become_one() {
        let mut scope = Scope::new(Language::Rust, Case::Snake, "dataset `city`");
        assert_eq!(scope.name("a-b"), Ok("a_b".to_owned()));
        assert_eq!(scope.name("a-b"), Ok("a_b".to_owned()), "the same name again is no other one");
        let clash = scope.name("aB").expect_err("it is taken").to_string();
        assert!(clash.contains("`a-b` and `aB` both become `a_b`"), "{clash}");
        assert!(scope.name("--").is_err());
    }
}
