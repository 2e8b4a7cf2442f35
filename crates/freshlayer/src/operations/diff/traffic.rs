//! Which addresses ask, and how often.

use std::io::BufRead;
use std::net::IpAddr;

/// More lines than this are more than a person means.
const LINES_MAX: usize = 10_000_000;

/// Addresses with how often each asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic(Vec<(IpAddr, u64)>);

impl Traffic {
    /// Reads lines of an address or a network (`192.0.2.0/24`, which counts as its first address), and how often it
    /// asks, separated by spaces, a tab or a comma; without a number it asks once. Empty lines and `#` are left out.
    ///
    /// # Errors
    /// The first line that says something else, with its number.
    pub fn read(lines: impl BufRead) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if addresses.len() == LINES_MAX {
                return Err(format!("more than {LINES_MAX} addresses"));
            }
            addresses.push(parsed(line).ok_or_else(|| {
                format!("line {number}: expected an address and how often it asks, found {line:?}")
            })?);
        }
        if addresses.is_empty() {
            Err("it names no address".to_owned())
        } else {
            Ok(Self(addresses))
        }
    }

    /// How often all of them ask.
    pub(super) fn requests(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    pub(super) fn addresses(&self) -> &[(IpAddr, u64)] {
        &self.0
    }
}

fn parsed(line: &str) -> Option<(IpAddr, u64)> {
    let mut words = line.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty());
    let network = words.next()?;
    let address = match network.split_once('/') {
        Some((address, length)) => {
            let address: IpAddr = address.parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            length.parse::<u8>().ok().filter(|length| *length <= bits)?;
            address
        }
        None => network.parse().ok()?,
    };
    let count = words.next().map_or(Some(1), |word| word.parse().ok())?;
    words.next().is_none().then_some((address, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_addresses_with_counts() {
        let text = "# requests\n192.0.2.1 12\n198.51.100.0/24,7\n\n2001:db8::\t3\n203.0.113.9\n";
        let traffic = Traffic::read(text.as_bytes()).expect("it holds");
        let counts: Vec<u64> = traffic.addresses().iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [12, 7, 3, 1]);
        for (wrong, said) in [
            ("", "no address"),
            ("192.0.2.1 1\nhost 2", "line 2"),
            ("192.0.2.1/33 2", "line 1"),
            ("192.0.2.1 -2", "line 1"),
            ("192.0.2.1 2 3", "line 1"),
        ] {
            let error = Traffic::read(wrong.as_bytes()).expect_err("wrong");
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
