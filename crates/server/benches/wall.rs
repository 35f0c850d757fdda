//! How the wall moves and how fast it comes, with the shipped model in headless Chromium.
//!
//! `cargo bench -p tadne-server --bench wall` measures, `-- --memory 5` lets it drift fast for five minutes instead and
//! watches the tab's memory; with `--plain` beside it a page that only moves images does, which is the browser's floor.
//! Headless Chromium paints in software, so frames have a floor as well: an empty page in which one square moves.

#![allow(dead_code)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/browser/visit.rs"]
mod visit;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use synth::{Generator, ModelFile};
use visit::{Browsing, IN_VIEW, Visit, browse};

/// How long frames are counted.
const SECONDS: u32 = 20;
/// Small tiles, so that more than 200 of them move.
const MANY: &str = "/?wall=5eed2026&psi=0.8&speed=5&zoom=0.62";

/// Counts frames until `SECONDS` have passed: gaps between them, and tasks of 50 ms or more.
fn frames(visit: &Visit) -> Value {
    let script = format!(
        "new Promise((done) => {{
             const gaps = []; const long = []; let last = 0; let start = 0;
             const watch = new PerformanceObserver((list) => long.push(...list.getEntries().map((entry) => entry.duration)));
             watch.observe({{ type: 'longtask' }});
             const step = (now) => {{
                 if (last) gaps.push(now - last); else start = now;
                 last = now;
                 if (now - start < {SECONDS}000) return requestAnimationFrame(step);
                 watch.disconnect();
                 gaps.sort((a, b) => a - b);
                 done(JSON.stringify({{ frames: gaps.length, median: gaps[gaps.length >> 1], p95: gaps[Math.floor(gaps.length * 0.95)],
                     worst: gaps.at(-1), long: long.length, longest: Math.max(0, ...long) }}));
             }};
             requestAnimationFrame(step);
         }})"
    );
    serde_json::from_str(&visit.text(&script)).unwrap()
}

fn told(name: &str, frames: &Value) {
    let number = |key: &str| frames[key].as_f64().unwrap();
    println!(
        "{name:<34} {:>5.0} frames, median {:.1} ms, 95th percentile {:.1} ms, worst {:.0} ms; {:.0} long tasks, longest {:.0} ms",
        number("frames"),
        number("median"),
        number("p95"),
        number("worst"),
        number("long"),
        number("longest"),
    );
}

/// Megabytes that the tab's process holds: of its own, and shared with the browser (Linux only). Chromium lays decoded
/// pictures and painted tiles into shared memory, which it takes back when it is short of it.
#[derive(Clone, Copy, Default)]
struct Memory {
    own: f64,
    shared: f64,
}

/// The largest of the browser's renderers, which is the tab in view.
fn renderer() -> Memory {
    let me = std::process::id().to_string();
    let read = |pid: &str, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let pids: Vec<String> = std::fs::read_dir("/proc")
        .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let ours = |pid: &str| {
        let mut pid = pid.to_owned();
        for _ in 0..6 {
            let Some(parent) = field(&read(&pid, "status"), "PPid:") else { return false };
            if parent == me {
                return true;
            }
            pid = parent;
        }
        false
    };
    let megabytes =
        |status: &str, name: &str| field(status, name).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0;
    pids.iter()
        .filter(|pid| ours(pid) && read(pid, "cmdline").contains("--type=renderer"))
        .map(|pid| {
            let status = read(pid, "status");
            Memory { own: megabytes(&status, "RssAnon:"), shared: megabytes(&status, "RssShmem:") }
        })
        .max_by(|a, b| (a.own + a.shared).total_cmp(&(b.own + b.shared)))
        .unwrap_or_default()
}

fn measure(browsing: &Browsing) {
    // How soon it is there: five first visits, each with a wall of its own.
    let full = format!("{IN_VIEW}.every((tile) => tile.tile.picture?.naturalWidth > 0)");
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for wall in 0..5 {
        let visit = browsing.visit();
        visit.tab.navigate_to(&format!("{}/?wall={wall}&speed=0", browsing.origin)).unwrap();
        let watch = format!(
            "new Promise((done) => {{ let first = 0; const look = () => {{
                 first ||= document.querySelector('.tile.filled') ? performance.now() : 0;
                 if ({IN_VIEW}.length > 24 && {full}) done(JSON.stringify([first, performance.now()])); else setTimeout(look, 4);
             }}; look(); }})"
        );
        let [first, all]: [f64; 2] = serde_json::from_str(&visit.text(&watch)).unwrap();
        times[0].push(first);
        times[1].push(all);
        // Another creativity: until half of what is in view has changed.
        let half = format!(
            "new Promise((done) => {{ const start = performance.now(); const slider = document.getElementById('creativity');
                 slider.value = '1.4'; slider.dispatchEvent(new Event('input', {{ bubbles: true }}));
                 const look = () => {{ const seen = {IN_VIEW};
                     const changed = seen.filter((tile) => tile.tile.picture?.dataset.psi === '1.4').length;
                     if (changed * 2 >= seen.length) done(performance.now() - start); else setTimeout(look, 4); }}; look(); }})"
        );
        times[2].push(visit.number(&half));
        let _ = visit.tab.close(false);
    }
    for (name, times) in
        ["first picture", "first screen full", "half the screen at another creativity"].iter().zip(&mut times)
    {
        times.sort_by(f64::total_cmp);
        println!("{name:<38} median {:.0} ms, worst of five {:.0} ms", times[2], times[4]);
    }

    let floor = browsing.visit();
    floor.go("/icon.svg");
    floor.tab.navigate_to("about:blank").unwrap();
    floor.value(
        "(() => { const square = document.createElement('div'); square.style.cssText = 'position:fixed;inset:0;will-change:transform;background:#222';
         document.body.append(square); const step = (now) => { square.style.transform = `translate(${now / 20 % 300}px, 0)`; requestAnimationFrame(step); };
         requestAnimationFrame(step); })()",
    );
    told("one square on an empty page", &frames(&floor));
    let _ = floor.tab.close(false);

    let visit = browsing.at(MANY);
    visit.until_full();
    let tiles = visit.number("document.querySelectorAll('.tile').length");
    assert!(tiles >= 200.0, "only {tiles} tiles");
    told(&format!("the wall, {tiles:.0} tiles, drifting"), &frames(&visit));
}

/// The floor: a page that does nothing but move as many images as the wall has, and as fast, each of which gets another
/// of the wall's pictures when it has left the window.
const PLAIN: &str = "(() => {
    document.documentElement.classList.add('live');
    const layer = document.createElement('div');
    layer.style.cssText = 'position:fixed;top:0;left:0;will-change:transform';
    document.body.replaceChildren(layer);
    const [columns, rows, pitch] = [12, 9, 163];
    const source = (x, y) => `/api/v1/pictures/${1e6 + x * rows + y}.webp?psi=0.8`;
    let next = 0;
    const images = [];
    const hang = (image) => {
        const [x, y] = [Math.floor(next / rows), next % rows];
        next += 1;
        image.src = source(x, y);
        image.style.transform = `translate(${x * pitch}px, ${y * pitch}px)`;
        images.push(image);
    };
    for (let n = 0; n < columns * rows; n += 1) {
        const image = new Image(150, 150);
        image.style.cssText = 'position:absolute;top:0;left:0';
        layer.append(image);
        hang(image);
    }
    let taken = 0;
    let start;
    const step = (now) => {
        start ??= now;
        const across = ((now - start) / 1000) * 190;
        while (Math.floor(taken / rows) * pitch + 150 < across) { hang(images[taken]); images[taken] = null; taken += 1; }
        layer.style.transform = `translate3d(${-across}px, 0, 0)`;
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})()";

fn memory(browsing: &Browsing, minutes: u32, plain: bool) {
    let visit = if plain {
        let visit = browsing.at("/nowhere");
        visit.value(PLAIN);
        visit
    } else {
        let visit = browsing.at("/?wall=5eed2026&psi=0.8&speed=10");
        visit.until_full();
        visit
    };
    let heap = "performance.memory.usedJSHeapSize / 1048576";
    let elements = "document.querySelectorAll('*').length";
    println!("{}", if plain { "images that only move" } else { "the wall" });
    println!("minute  elements  script heap MB  renderer MB: own, shared with the browser");
    for half in 0..=minutes * 2 {
        if half > 0 {
            std::thread::sleep(Duration::from_secs(30));
        }
        let Memory { own, shared } = renderer();
        println!(
            "{:>6.1}  {:>8}  {:>14.1}  {own:>16.0}, {shared:.0}",
            f64::from(half) / 2.0,
            visit.number(elements),
            visit.number(heap),
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let minutes = arguments
        .iter()
        .position(|argument| argument == "--memory")
        .map(|at| arguments.get(at + 1).and_then(|minutes| minutes.parse().ok()).unwrap_or(5));
    let plain = arguments.iter().any(|argument| argument == "--plain");
    let model = ModelFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors")).unwrap();
    let generator = Arc::new(Generator::new(&model).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(browse(generator, move |browsing: &Browsing| match minutes {
        Some(minutes) => memory(browsing, minutes, plain),
        None => measure(browsing),
    }));
}
