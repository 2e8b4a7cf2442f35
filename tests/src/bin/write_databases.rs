//! Writes the databases that the quickstart serves where no package manager brings real ones:
//! `write_databases FOLDER`.

use std::path::Path;

use freshlayer_tests::databases::{Mmdb, sqlite_of};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&folder);
    std::fs::write(
        folder.join("country.mmdb"),
        Mmdb { networks: 70_000, ..Mmdb::default() }.bytes(),
    )?;
    for (name, version) in [("proj-1.db", "9.2.1"), ("proj-2.db", "9.5.1")] {
        let statements = format!(
            "CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT);
             INSERT INTO metadata VALUES ('PROJ.VERSION', '{version}'), ('a', 'b'), ('c', 'd');"
        );
        std::fs::write(folder.join(name), sqlite_of(&statements))?;
    }
    Ok(())
}
