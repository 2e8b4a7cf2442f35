//! The page of the layers: it shows what the dossier says, asks for nothing, and can be read by everyone.

use std::collections::BTreeMap;
use std::time::Instant;

use freshlayer::ports::FunctionName;
use freshlayer::{Dossier, LayerDossier, LayerWord};
use freshlayer_page::page;
use freshlayer_tests::sandbox::workspace;
use tl::{HTMLTag, Node, VDom};

const DOSSIER: &str = "tests/pages/dossier.json";
const PAGE: &str = "tests/pages/page.html";
const PAGE_BYTES_MAX: usize = 5_000_000;

/// Layers that stand in every way, with names and texts that hold markup.
fn dossier() -> Dossier {
    let text = std::fs::read_to_string(workspace().join(DOSSIER)).expect("it is there");
    serde_json::from_str(&text).expect("a dossier")
}

fn parsed(html: &str) -> VDom<'_> {
    tl::parse(html, tl::ParserOptions::default()).expect("HTML")
}

fn tags<'a>(dom: &'a VDom<'_>) -> impl Iterator<Item = &'a HTMLTag<'a>> {
    dom.nodes().iter().filter_map(Node::as_tag)
}

fn name(tag: &HTMLTag<'_>) -> String {
    tag.name().as_utf8_str().into_owned()
}

fn attribute(tag: &HTMLTag<'_>, key: &str) -> Option<String> {
    let value = tag.attributes().get(key)?;
    Some(value.map(|value| value.as_utf8_str().into_owned()).unwrap_or_default())
}

/// What a reader sees of a text: without entities, and any room between words is one space.
fn seen(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&"), ("\u{a0}", " ")];
    let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a tag; cells and paragraphs are apart.
fn shown(tag: &HTMLTag<'_>) -> String {
    let blocks = regex::Regex::new("</(td|th|li|p|div|dt|dd|h[1-6]|summary|title|caption)>");
    let apart = blocks.expect("a pattern").replace_all(&tag.raw().as_utf8_str(), " ").into_owned();
    seen(&regex::Regex::new("<[^>]*>").expect("a pattern").replace_all(&apart, ""))
}

/// The text of each layer's section, by the layer.
fn sections(html: &str) -> BTreeMap<String, String> {
    let dom = parsed(html);
    let layers = tags(&dom).filter(|tag| attribute(tag, "class").as_deref() == Some("layer"));
    let sections = layers.map(|tag| {
        let id = attribute(tag, "aria-labelledby").expect("a section has a heading");
        let layer = id.strip_prefix("layer-").expect("the heading names the layer").to_owned();
        (layer, shown(tag))
    });
    sections.collect()
}

fn with_commas(value: u64) -> String {
    let (thousands, rest) = (value / 1_000, value % 1_000);
    if thousands == 0 { rest.to_string() } else { format!("{},{rest:03}", with_commas(thousands)) }
}

#[expect(clippy::disallowed_methods, reason = "a person asks the test to write")]
#[test]
fn it_is_as_it_is_checked_in() {
    let (file, written) = (workspace().join(PAGE), page(&dossier()));
    assert_eq!(written, page(&dossier()), "the same dossier gives the same page");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, written).expect("the file can be written");
        return;
    }
    let checked_in = std::fs::read_to_string(&file).expect("the page is there");
    assert!(checked_in == written, "{PAGE} differs: UPDATE_DOCS=1 writes it");
}

/// The facts that a reader looks for, each as the page has to write it.
fn facts(layer: &LayerDossier) -> Vec<String> {
    let plain = |text: &str| seen(&text.replace('`', ""));
    let mut facts = vec![layer.word.to_string(), with_commas(layer.functions as u64)];
    facts.extend(layer.reasons[1..].iter().map(|reason| plain(reason)));
    facts.extend(layer.description.clone());
    if let Some(served) = &layer.served {
        facts.push(format!("release {}", served.release));
        facts.push(served.version.clone());
        facts.extend(served.layer_versions.values().map(ToString::to_string));
    }
    for dataset in &layer.datasets {
        let (name, days) = (&dataset.name, dataset.age_secs / 86_400);
        facts.push(format!("{name}: {days} days old"));
        facts.extend(dataset.build_age_days_warn.map(|days| format!("warns after {days} days")));
        facts.extend(dataset.build_age_days_max.map(|days| format!("stale after {days}")));
        facts.push(format!("/opt/{}", dataset.path));
    }
    for group in &layer.groups {
        facts.push(group.place.to_string());
        facts.push(with_commas(group.functions as u64));
    }
    for wait in &layer.waits {
        facts.push(format!("{} {}", with_commas(wait.functions as u64), plain(&wait.reason)));
        facts.push(wait.names[0].clone());
    }
    facts.extend(layer.unknown.iter().map(|unknown| plain(unknown)));
    for rejected in &layer.rejected {
        facts.push(rejected.digest.short().to_owned());
        facts.extend(rejected.problems.iter().map(|problem| seen(&problem.to_string())));
    }
    for release in &layer.releases {
        let (line, megabytes) = (&release.line, release.line.zip_bytes as f64 / 1e6);
        facts.push(format!("{} {}", line.seq, line.version));
        facts.push(format!("{megabytes:.1} MB"));
        for dataset in &release.datasets {
            facts.push(with_commas(dataset.counts["nodes"]));
        }
    }
    for count in layer.change.iter().flat_map(|change| &change.datasets).flat_map(|d| &d.counts) {
        facts.push(count.what.clone());
        facts.extend(count.before.map(with_commas));
        facts.extend(count.after.map(with_commas));
    }
    for dataset in layer.change.iter().flat_map(|change| &change.datasets) {
        let Some(countries) = &dataset.countries else { continue };
        let share = |ppm: u32, digits: usize| format!("{:.digits$} %", f64::from(ppm) / 10_000.0);
        let since = countries.since.map_or("the data".to_owned(), |seq| format!("release {seq}"));
        let all = share(countries.all_ppm, 2);
        facts.push(format!("{all} of the addresses changed country since {since}"));
        for one in &countries.largest {
            facts.push(format!("{} {} {}", one.from, one.to, share(one.ppm, 4)));
        }
    }
    for wave in layer.open.iter().flat_map(|open| &open.waves) {
        facts.extend(wave.sentences.iter().map(|sentence| plain(sentence)));
        facts.extend(wave.percent.map(|percent| format!("{percent} % of the calls")));
    }
    for line in &layer.rollouts {
        facts.push(format!("{} of {}", line.line.reached, line.line.consumers));
    }
    for line in &layer.room.storage {
        facts.push(format!("{} %", line.storage.percent()));
    }
    if let Some(prune) = &layer.room.prune {
        facts.extend(
            prune.kept.iter().map(|kept| format!("release {}: {}", kept.release, kept.reason)),
        );
        facts.extend(prune.kept_too_long.iter().map(|words| plain(words)));
        let freed = prune.freed_bytes as f64 / 1e6;
        facts.extend((freed > 0.0).then(|| format!("would free {freed:.1} MB")));
    }
    facts.extend(layer.room.unasked.clone());
    facts
}

#[test]
fn every_number_and_every_reason_of_a_dossier_stands_in_it() {
    let dossier = dossier();
    let html = page(&dossier);
    let sections = sections(&html);
    assert_eq!(sections.len(), dossier.layers.len());
    for layer in &dossier.layers {
        let section = &sections[layer.layer.as_str()];
        for fact in facts(layer) {
            assert!(section.contains(&fact), "{}: {fact:?} is missing", layer.layer);
        }
        assert!(section.contains(&seen(&layer.reasons[0].replace('`', ""))), "{}", layer.layer);
    }
    let words = seen(&html);
    assert!(words.contains("5 layers: 1 stale, 1 held, 1 rolling, 1 fresh, 1 empty"), "{words}");
    assert!(words.contains(&seen(&dossier.failures[0])));
    assert!(sections["geo"].contains("The median is 29 h over the 6 releases"));
}

#[test]
fn it_asks_for_nothing_and_runs_nothing() {
    let html = page(&dossier());
    let dom = parsed(&html);
    for tag in tags(&dom) {
        let name = name(tag);
        let foreign =
            ["script", "iframe", "img", "object", "embed", "form", "base", "image", "use"];
        assert!(!foreign.contains(&name.as_str()), "{name}");
        for (key, value) in tag.attributes().iter() {
            assert!(!key.starts_with("on"), "{name} has {key}");
            let value = value.unwrap_or_default();
            if ["src", "href", "xlink:href", "action", "srcset", "poster"].contains(&&*key) {
                assert!(value.starts_with('#') || value == "data:,", "{name} names {value}");
            }
        }
    }
    let (_, style) = html.split_once("<style>").expect("it brings its styles");
    let (style, _) = style.split_once("</style>").expect("they end");
    for word in ["url(", "@import", "http", "//"] {
        assert!(!style.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"), "a browser is told so, too");
}

#[test]
fn markup_in_names_and_texts_stays_text() {
    let mut dossier = dossier();
    let evil = "<script src=x></script>\"'&<b>";
    let geo = dossier.layers.iter_mut().find(|layer| layer.layer.as_str() == "geo").expect("geo");
    geo.description = Some(evil.to_owned());
    geo.reasons = vec![evil.to_owned(), format!("`{evil}`")];
    geo.unknown = vec![evil.to_owned()];
    geo.waits[0].reason = evil.to_owned();
    geo.waits[0].names[0] = evil.to_owned();
    geo.releases[0].line.marks = vec![evil.to_owned()];
    geo.releases[0].warnings[0].found = evil.to_owned();
    geo.rollouts[0].line.by = evil.to_owned();
    geo.room.unasked = Some(evil.to_owned());
    dossier.failures = vec![evil.to_owned()];
    let html = page(&dossier);
    assert!(!html.contains("<script") && !html.contains("<b>"));
    assert!(html.matches("&lt;script src=x&gt;").count() >= 9);
    assert!(sections(&html)["geo"].contains(evil), "a reader sees what was written");
}

#[test]
fn everyone_can_read_it() {
    let html = page(&dossier());
    let dom = parsed(&html);
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    let mut levels = Vec::new();
    for tag in tags(&dom) {
        let name = name(tag);
        match name.as_str() {
            "h1" | "h2" | "h3" | "h4" => levels.push(name[1..].parse::<u32>().expect("a level")),
            "th" => assert!(attribute(tag, "scope").is_some(), "{}", shown(tag)),
            "svg" => {
                let picture = tag.raw().as_utf8_str();
                let says = picture.split_once('>').map(|(_, inside)| inside);
                let titled = says.is_some_and(|inside| inside.starts_with("<title>"));
                let is_image = attribute(tag, "role").as_deref() == Some("img");
                assert!(titled && is_image, "{picture}");
            }
            "div" if attribute(tag, "class").as_deref() == Some("scroll") => {
                let label = attribute(tag, "aria-label").filter(|label| !label.is_empty());
                let reached = attribute(tag, "tabindex").as_deref() == Some("0");
                assert!(label.is_some() && reached, "{}", shown(tag));
            }
            _ => {}
        }
    }
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    let tables = tags(&dom).filter(|tag| name(tag) == "table").count();
    let scrolled = html.matches("<div class=\"scroll\"").count();
    assert_eq!(tables, scrolled, "a table that is too wide for a phone scrolls by itself");
}

/// The colours of a scheme, by their names.
fn colours(style: &str) -> BTreeMap<&str, [f64; 3]> {
    let named = style.split("--").skip(1).filter_map(|part| part.split_once(": #"));
    let parsed = named.map(|(name, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        let channel = |at: usize| {
            let value = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("six digits");
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        (name, [channel(0), channel(1), channel(2)])
    });
    parsed.collect()
}

/// As WCAG 2 counts it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let light = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    let (a, b) = (light(a), light(b));
    a.max(b) / a.min(b)
}

#[test]
fn its_colours_can_be_told_apart_in_both_schemes() {
    let html = page(&dossier());
    let (_, light) = html.split_once(":root {").expect("the light scheme");
    let (light, dark) = light.split_once("prefers-color-scheme: dark").expect("the dark scheme");
    let (dark, _) = dark.split_once("* {").expect("the dark scheme ends");
    for style in [light, dark] {
        let colours = colours(style);
        for text in ["ink", "quiet", "accent"] {
            let contrast = contrast(colours[text], colours["paper"]);
            assert!(contrast >= 4.5, "{text}: {contrast:.2}");
        }
    }
}

#[test]
fn a_host_without_layers_and_a_layer_without_a_release_have_a_page() {
    let nothing = Dossier::of(dossier().at, Vec::new(), Vec::new());
    assert!(seen(&page(&nothing)).contains("No layer was looked at."));
    let mut dossier = dossier();
    dossier.layers.retain(|layer| layer.word == LayerWord::Empty);
    let sections = sections(&page(&dossier));
    assert!(sections["postcodes"].contains("there is no release yet"));
}

#[test]
fn a_chart_has_two_releases_and_something_to_show() {
    let mut dossier = dossier();
    dossier.layers.retain(|layer| layer.layer.as_str() == "geo");
    let charts = |dossier: &Dossier| page(dossier).matches("<svg class=\"bars\"").count();
    assert_eq!(charts(&dossier), 2);
    dossier.layers[0].stable_after_secs_median = Some(0);
    assert_eq!(charts(&dossier), 1, "times of no length are no picture");
    dossier.layers[0].stable_after_secs_median = Some(1);
    let releases = &mut dossier.layers[0].releases;
    releases.retain(|release| release.stable_after_secs.is_some());
    releases.truncate(1);
    assert_eq!(charts(&dossier), 0);
}

#[expect(clippy::disallowed_methods, reason = "what a person waits for is measured")]
/// Renders the page, which is small and quick whatever it tells of.
fn quickly(dossier: &Dossier) -> String {
    let begun = Instant::now();
    let html = page(dossier);
    let took = begun.elapsed();
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
    assert!(html.len() < PAGE_BYTES_MAX, "{} bytes", html.len());
    html
}

#[test]
fn a_thousand_releases_make_a_small_page_and_the_full_count_is_named() {
    let mut dossier = dossier();
    let geo = dossier.layers.iter_mut().find(|layer| layer.layer.as_str() == "geo").expect("geo");
    let newest = geo.releases[0].clone();
    geo.releases = (1..=1_000)
        .rev()
        .map(|seq| {
            let mut release = newest.clone();
            release.line.seq = seq;
            release
        })
        .collect();
    (geo.releases_total, geo.rollouts_total) = (1_000, 1_000);
    let sections = sections(&quickly(&dossier));
    assert!(sections["geo"].contains("950 older, see --json"));
    assert!(sections["geo"].contains("993 older, see freshlayer history geo"));
}

#[test]
fn ten_thousand_functions_make_a_small_page_and_the_full_count_is_named() {
    let mut dossier = dossier();
    let geo = dossier.layers.iter_mut().find(|layer| layer.layer.as_str() == "geo").expect("geo");
    let names = |count: usize| (0..count).map(|at| FunctionName::parse(&format!("f-{at}")));
    (geo.functions, geo.groups[0].functions) = (10_000, 10_000);
    geo.groups[0].names = names(50).collect::<Result<_, _>>().expect("names");
    let wait = geo.waits[0].clone();
    geo.waits = (0..10_000)
        .map(|at| {
            let mut wait = wait.clone();
            wait.reason = format!("reason {at}");
            wait
        })
        .collect();
    let sections = sections(&quickly(&dossier));
    assert!(sections["geo"].contains("10,000 functions, by Region and release"));
    assert!(sections["geo"].contains("and 9,980 more, see --json"));
    assert!(sections["geo"].contains("9,950 more reasons, see --json"));
}

#[test]
fn hundreds_of_layers_make_a_page_that_a_phone_opens() {
    let mut dossier = dossier();
    let geo = dossier.layers.iter().find(|layer| layer.layer.as_str() == "geo").expect("geo");
    dossier.layers = vec![geo.clone(); 500];
    let html = quickly(&dossier);
    assert!(seen(&html).contains("more would make this page too large"), "{}", html.len());
}
