//! Runs one query on a SQLite dataset and prints its rows: `query LAYER DATASET SQL`.

use std::error::Error;
use std::process::ExitCode;

use freshlayer_reader::rusqlite::types::Value;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    let causes = std::iter::successors(Some(&*error), |error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    eprintln!("query: {}", causes.join(": "));
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [layer, dataset, sql] = &arguments[..] else {
        return Err("usage: query LAYER DATASET SQL".into());
    };
    let layer = freshlayer_reader::Layer::open(layer)?;
    let database = layer.sqlite(dataset)?;
    println!("release {} version {}", layer.release(), layer.version());
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<String> =
            (0..columns).map(|at| row.get::<_, Value>(at).map(shown)).collect::<Result<_, _>>()?;
        println!("{}", values.join("  "));
    }
    Ok(())
}

fn shown(value: Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
