//! Serves a folder as an upstream, until it is killed: `upstream FOLDER` prints its address.

use std::path::Path;

use freshlayer_tests::upstream::Upstream;

fn main() -> Result<(), &'static str> {
    let folder = std::env::args().nth(1).ok_or("usage: upstream FOLDER")?;
    let upstream = Upstream::start(Path::new(&folder));
    println!("{}", upstream.base());
    loop {
        std::thread::park();
    }
}
