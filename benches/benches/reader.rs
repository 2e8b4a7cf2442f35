//! The reader beside a raw `maxminddb` memory map: opening, and lookups.
//!
//! `OPT` names an unpacked layer (what `exec` mounts at `/opt`) that holds layer `geo` with dataset `city`.

#![expect(clippy::disallowed_methods, reason = "a benchmark is a binary")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use freshlayer_reader::{Layer, MmdbReader, map_file};

fn opt() -> PathBuf {
    std::env::var_os("OPT").expect("OPT names an unpacked layer").into()
}

fn raw() -> MmdbReader {
    MmdbReader::from_source(map_file(&opt().join("geo/city.mmdb")).expect("the file maps"))
        .expect("the file is an mmdb")
}

fn opened() -> MmdbReader {
    Layer::open_in(opt(), "geo").and_then(|layer| layer.mmdb("city")).expect("the layer opens")
}

fn addresses() -> impl Iterator<Item = IpAddr> {
    // Multiples of a prime walk all over the address space.
    (0_u32..).map(|number| IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(2_654_435_761))))
}

fn reader(criterion: &mut Criterion) {
    let mut open = criterion.benchmark_group("open");
    open.bench_function("raw map", |bench| bench.iter(raw));
    open.bench_function("freshlayer", |bench| bench.iter(opened));
    open.finish();
    let mut lookup = criterion.benchmark_group("lookup");
    for (name, reader) in [("raw map", raw()), ("freshlayer", opened())] {
        let mut addresses = addresses();
        lookup.bench_function(name, |bench| {
            bench.iter(|| {
                let address = addresses.next().expect("there is no end");
                let found = reader.lookup(address).expect("a sound database");
                black_box(found.decode::<freshlayer_reader::maxminddb::geoip2::City<'_>>().ok());
            });
        });
    }
    lookup.finish();
}

criterion_group!(benches, reader);
criterion_main!(benches);
