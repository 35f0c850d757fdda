//! The wall without a server: files in a subfolder of any host, drawn in the browser, and kept by it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use synth::{Architecture, Creativity, Generator, ModelFile, Seed, Upsample, WeightDtype};

use serde_json::json;

use crate::visit::{Browsing, IN_VIEW, UserAgent, Visit, browse_with, tour};

/// Where the host puts the files.
const FOLDER: &str = "/pictures/wall/";
const FULL: &str = ".length > 5";

/// The shipped model, and its file.
fn shipped() -> (Arc<Generator>, Vec<u8>) {
    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tadne.safetensors")).unwrap();
    (Arc::new(Generator::new(&ModelFile::from_bytes(&file).unwrap()).unwrap()), file)
}

type Files = Arc<BTreeMap<String, Vec<u8>>>;

/// A host that knows files and nothing else: no rewriting, no headers but the media type.
async fn file(State(files): State<Files>, uri: Uri) -> Response {
    let path = uri.path().strip_prefix(FOLDER).map(|path| if path.is_empty() { "index.html" } else { path });
    let Some((path, bytes)) = path.and_then(|path| Some((path, files.get(path)?))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" => "image/jpeg",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind)], bytes.clone()).into_response()
}

/// Serves files until the runtime that it returns is dropped, sockets and all.
fn host(files: Vec<server::SiteFile>) -> (tokio::runtime::Runtime, String) {
    let files: Files = Arc::new(files.into_iter().map(|file| (file.path, file.bytes)).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, Router::new().fallback(file).with_state(files)).await });
    (runtime, origin)
}

/// Waits until every tile in view is drawn, and by this browser.
fn until_drawn(visit: &Visit) {
    visit.until(&format!(
        "{IN_VIEW}{FULL} && {IN_VIEW}.every((tile) => tile.tile.picture instanceof HTMLCanvasElement)"
    ));
}

/// The largest difference between what the browser draws, with the module of a kind, and the generator, over 20 seeds.
fn largest_difference(visit: &Visit, scripts: &str, kind: &str, generator: &Arc<Generator>) -> u8 {
    let mut worker = generator.worker();
    visit.text(&format!(
        "Promise.all([import('{scripts}/atelier.js'), import('{scripts}/settings.js')])
             .then(([{{ Atelier }}, {{ model }}]) => Atelier.open(model.weights, {{ kind: '{kind}', workers: 1 }}))
             .then((studio) => {{ globalThis.studio = studio; return '{kind}'; }})"
    ));
    (0..20u64)
        .map(|seed| {
            let psi = 0.3 + 0.05 * seed as f32;
            let hex = visit.text(&format!(
                "globalThis.studio.draw('{seed}', {psi})
                     .then(({{ data }}) => data.reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), ''))"
            ));
            let picture = worker.draw(Seed(seed), Creativity::new(psi).unwrap());
            assert_eq!(hex.len() / 8, picture.rgb.len() / 3, "seed {seed} has another size");
            let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
            let apart = |(at, ours): (usize, &u8)| ours.abs_diff(byte(at / 3 * 4 + at % 3));
            picture.rgb.iter().enumerate().map(apart).max().unwrap()
        })
        .max()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_wall_draws_in_the_browser_and_again_without_a_network() {
    let (generator, file) = shipped();
    let config = server::Config { weights: Some(file.into()), ..Default::default() };
    let files = server::site(&config, &generator).unwrap();
    let scripts = files.iter().find_map(|file| file.path.strip_suffix("/main.js")).unwrap().to_owned();
    let (host, origin) = tokio::task::block_in_place(|| host(files));
    tour(origin, move |browsing: &Browsing| {
        let visit = browsing.at(&format!("{FOLDER}?wall=0000beef&speed=0"));
        until_drawn(&visit);
        eprintln!("the first screen was full {:.0} ms after navigation began", visit.number("performance.now()"));
        for kind in ["relaxed", "simd128", "plain"] {
            let difference = largest_difference(&visit, &format!("{FOLDER}{scripts}"), kind, &generator);
            assert!(difference <= 1, "the {kind} module draws others, {difference} levels apart");
        }

        // A picture's room, by an address; its children, and a download of every kind.
        visit.go(&format!("{FOLDER}?p=42&psi=0.7&tool=children"));
        visit.until("document.querySelector('.stage-frame canvas') !== null");
        visit.until("[...document.querySelectorAll('#children img')].filter((img) => img.naturalWidth > 0).length === 16");
        for (kind, begins) in
            [("png", "89504e47"), ("large", "89504e47"), ("jpg", "ffd8ff"), ("webp", "52494646"), ("sweep.png", "89504e47"), ("sweep.webp", "52494646"), ("zip", "504b0304")]
        {
            let made = visit.text(&format!(
                "import('{FOLDER}{scripts}/files.js')
                     .then(({{ made }}) => made(document.querySelector('[data-file=\"{kind}\"]').href))
                     .then((blob) => blob.arrayBuffer())
                     .then((bytes) => [...new Uint8Array(bytes, 0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(''))"
            ));
            assert!(made.starts_with(begins), "{kind} begins with {made}");
        }
        for moving in ["sweep.png", "sweep.webp"] {
            let frames = visit.number(&format!(
                "import('{FOLDER}{scripts}/files.js')
                     .then(({{ made }}) => made(document.querySelector('[data-file=\"{moving}\"]').href))
                     .then(async (blob) => {{
                         const decoder = new ImageDecoder({{ data: await blob.arrayBuffer(), type: blob.type }});
                         await decoder.tracks.ready;
                         await decoder.decode({{ frameIndex: 33 }});
                         return decoder.tracks.selectedTrack.frameCount;
                     }})"
            ));
            assert!((frames - 34.0).abs() < 0.5, "{moving} has {frames} frames");
        }

        // The host is gone; the wall is not.
        visit.until("document.documentElement.classList.contains('kept')");
        host.shutdown_timeout(Duration::from_secs(5));
        visit.go(&format!("{FOLDER}?wall=12345678&speed=0"));
        until_drawn(&visit);
        visit.go(&format!("{FOLDER}it.html?p=7"));
        visit.until("document.querySelector('.stage-frame canvas') !== null");
        assert_eq!(visit.text("document.documentElement.lang"), "it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_wall_is_drawn_here_on_demand_and_follows_the_hand() {
    let (generator, file) = shipped();
    let config = server::Config { weights: Some(file.into()), ..crate::common::config() };
    browse_with(config, generator, |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0&psi=0.7");
        visit.until_full();
        visit.click("#draw-here");
        until_drawn(&visit);

        // While the hand is on the slider the tiles show what it points at, between the tenths too; then they settle.
        visit.value(
            "(() => { const slider = document.getElementById('creativity');
             slider.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
             window.held = setInterval(() => { slider.value = '1.23'; slider.dispatchEvent(new Event('input')); }, 50); })()",
        );
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture.dataset.psi === '1.23')"));
        visit.value("clearInterval(window.held)");
        visit.until("location.search.includes('psi=1.2')");
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture.dataset.psi === '1.2')"));

        // Pulled away and back again, they are what they were.
        visit.value(
            "(() => { const slider = document.getElementById('creativity');
             slider.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
             window.held = setInterval(() => { slider.value = '1.9'; slider.dispatchEvent(new Event('input')); }, 50); })()",
        );
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture.dataset.psi === '1.90')"));
        // A picture that was asked for before and comes now gives way to the hand's, though the hand is where it was.
        visit.value(&format!(
            "(() => {{ const {{ tile }} = {IN_VIEW}[0]; const show = tile.show.bind(tile);
             tile.show = (picture) => {{ show(picture); window.came = picture.dataset.psi; }}; tile.renew(64); }})()"
        ));
        visit.until("window.came === '1.2'");
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture.dataset.psi === '1.90')"));
        visit.value(
            "(() => { clearInterval(window.held); const slider = document.getElementById('creativity');
             slider.value = '1.2'; slider.dispatchEvent(new Event('input')); })()",
        );
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture.dataset.psi === '1.2')"));

        // Alive, the same tile is painted again and again; called home, it is still.
        let look = format!(
            "(() => {{ const copy = new OffscreenCanvas(64, 64).getContext('2d', {{ willReadFrequently: true }});
             copy.drawImage({IN_VIEW}[0].tile.picture, 0, 0, 64, 64); return copy.getImageData(0, 0, 64, 64).data.join() }})()"
        );
        let before = visit.text(&look);
        visit.click("#living");
        visit.until(&format!("{look} !== `{before}`"));
        visit.click("#living");
        visit.until(&format!("{look} === `{before}`"));
        // Life that is asked for on a wall that stands still is seen, until the pause is pressed again.
        visit.click("#pause");
        visit.click("#living");
        visit.until(&format!("{look} !== `{before}`"));
        visit.click("#pause");
        visit.click("#pause");
        std::thread::sleep(Duration::from_millis(1500));
        let still = visit.text(&look);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(visit.text(&look), still, "what was paused goes on");
        visit.click("#living");

        // Back to the server.
        visit.click("#draw-here");
        visit.until(&format!("{IN_VIEW}.every((tile) => tile.tile.picture instanceof HTMLImageElement)"));

        // Workers that nobody needs any more can be ended, but not under a picture that they draw; they come again when they are asked for.
        visit.until("import('/js/easel.js').then(async ({ atelier, dismiss }) => { const studio = await atelier(); await dismiss(); return studio.workers === 0; })");
        visit.until(
            "import('/js/easel.js').then(async ({ atelier, dismiss }) => { const studio = await atelier(); const drawn = studio.draw('1', 1);
             await dismiss(); await drawn; return studio.workers > 0 && (await atelier()) === studio; })",
        );

        // No browser writes a GIF: where this one draws, that link stays the server's.
        visit.value("localStorage.setItem('tadne.draws', 'browser')");
        visit.go("/p/42~7~50?psi=0.7");
        visit.until("document.getElementById('draw-here').checked && document.querySelector('[data-file=\"morph.gif\"]').href !== ''");
        visit.value("addEventListener('click', (event) => { window.answered = event.defaultPrevented; event.preventDefault(); }, { once: true })");
        visit.click("[data-file='morph.gif']");
        assert_eq!(visit.value("window.answered"), false);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_wall_speaks_the_visitors_language_and_only_of_what_it_knows() {
    let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 16, &[8, 8, 8]) };
    let model = ModelFile::random(architecture, Seed(1)).unwrap();
    let config =
        server::Config { weights: Some(model.to_bytes(WeightDtype::F16).unwrap().into()), ..Default::default() };
    let generator = Arc::new(Generator::new(&model).unwrap());
    let simd = generator.simd().to_string();
    let files = server::site(&config, &generator).unwrap();
    let (host, origin) = tokio::task::block_in_place(|| host(files));
    let address = origin.clone();
    tour(origin, move |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.send(UserAgent(json!({ "userAgent": "Mozilla/5.0", "acceptLanguage": "it-IT,it,en" })));
        visit.go(&format!("{FOLDER}?wall=0000beef&speed=0"));
        visit.until("location.pathname.endsWith('/it.html') && document.documentElement.classList.contains('live')");
        assert_eq!(visit.text("document.documentElement.lang"), "it");
        assert!(visit.text("location.search").starts_with("?wall=0000beef"));
        until_drawn(&visit);

        // The text tells who draws here, and of no computer that is not here.
        visit.click("#about-button");
        let told = visit.text("document.getElementById('about').textContent");
        assert!(
            told.contains("è il tuo dispositivo a disegnarle") && !told.contains("processore di questo sito"),
            "{told}"
        );
        visit.until("document.querySelectorAll('#facts dd').length > 2");
        let facts = visit.text("document.getElementById('facts').textContent");
        assert!(facts.contains("WebAssembly") && !facts.contains(&simd), "{facts}");

        // Pictures in lists appear by themselves, and a copied link is for readers of any language.
        visit.go(&format!("{FOLDER}it.html?p=42&psi=0.7"));
        visit.until("document.querySelectorAll('#levels .thumb.here img').length === 18");
        visit.value("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
        visit.click("[data-share=copy]");
        visit.until("window.copied !== undefined");
        assert_eq!(visit.text("window.copied"), format!("{address}{FOLDER}?p=42&psi=0.7"));
        visit.press("Escape");
        visit.until("document.querySelector('dialog[open]') === null");

        // Who chooses English stays with it.
        visit.click(".languages a[lang=en]");
        visit.until("document.documentElement.lang === 'en' && document.documentElement.classList.contains('live')");
        visit.go(&format!("{FOLDER}?wall=0000beef&speed=0"));
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(visit.text("document.documentElement.lang"), "en");
        visit.was_clean();
        drop(host);
    })
    .await;
}
