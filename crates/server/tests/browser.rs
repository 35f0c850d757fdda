//! One visitor's journey in a real Chromium: the wall fills, drifts, pauses, changes, opens a picture.
//!
//! Chromium is looked for in `$CHROME` and then in `$PATH`. Without one this test fails, unless `TADNE_SKIP_BROWSER=1`.

mod common;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Network};
use headless_chrome::{Browser, LaunchOptions, Tab};

const PATIENCE: Duration = Duration::from_mins(1);
const ARGUMENTS: [&str; 8] = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// Pictures that are decoded and in view, as the page's own words tell.
const PICTURES_IN_VIEW: &str = "[...document.querySelectorAll('.tile')].filter((tile) => {
    const box = tile.getBoundingClientRect();
    const inside = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
    const picture = tile.lastElementChild;
    return inside && picture?.complete && picture.naturalWidth > 0;
}).length";
const EMPTY_IN_VIEW: &str = "[...document.querySelectorAll('.tile')].filter((tile) => {
    const box = tile.getBoundingClientRect();
    const inside = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
    return inside && tile.children.length === 0;
}).length";
const PLACE: &str = "(() => { const m = new DOMMatrix(getComputedStyle(document.querySelector('.layer')).transform);
    return `${m.m41.toFixed(2)} ${m.m42.toFixed(2)}`; })()";

/// Where Chromium is, or `None` when its absence is allowed.
fn chromium() -> Option<PathBuf> {
    let given = std::env::var_os("CHROME").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = given.filter(|file| file.is_file()).or_else(|| {
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
    });
    if found.is_none() {
        assert!(
            std::env::var("TADNE_SKIP_BROWSER").is_ok_and(|value| value == "1"),
            "no Chromium in $CHROME or $PATH: install it (Debian: apt install chromium), or set TADNE_SKIP_BROWSER=1"
        );
        eprintln!("skipped: no Chromium, and TADNE_SKIP_BROWSER=1");
    }
    found
}

/// A tab, and what it was heard to complain about and to ask for.
struct Visit {
    tab: Arc<Tab>,
    complaints: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Visit {
    fn start(browser: &Browser) -> Self {
        let tab = browser.new_tab().unwrap();
        tab.set_default_timeout(PATIENCE);
        let (complaints, requests) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (heard, asked) = (Arc::clone(&complaints), Arc::clone(&requests));
        tab.add_event_listener(Arc::new(move |event: &Event| match event {
            Event::RuntimeExceptionThrown(event) => heard.lock().unwrap().push(format!("{:?}", event.params)),
            Event::RuntimeConsoleAPICalled(event) => heard.lock().unwrap().push(format!("{:?}", event.params)),
            Event::LogEntryAdded(event) => heard.lock().unwrap().push(format!("{:?}", event.params.entry)),
            Event::NetworkRequestWillBeSent(event) => asked.lock().unwrap().push(event.params.request.url.clone()),
            _ => {}
        }))
        .unwrap();
        tab.enable_runtime().unwrap();
        tab.enable_log().unwrap();
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .unwrap();
        Visit { tab, complaints, requests }
    }

    /// The value of an expression in the page.
    fn value(&self, expression: &str) -> serde_json::Value {
        let result = self.tab.evaluate(expression, true).unwrap_or_else(|error| panic!("{expression}: {error}"));
        result.value.unwrap_or_default()
    }

    fn number(&self, expression: &str) -> f64 {
        self.value(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// Waits until an expression is true.
    fn until(&self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != true {
            assert!(start.elapsed() < PATIENCE, "never came true: {expression}");
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// Whether the wall is somewhere else after `time`.
    fn moves_within(&self, time: Duration) -> bool {
        let place = self.text(PLACE);
        std::thread::sleep(time);
        place != self.text(PLACE)
    }

    /// Waits until the drift has died away.
    fn comes_to_rest(&self) {
        let start = Instant::now();
        while self.moves_within(Duration::from_millis(300)) {
            assert!(start.elapsed() < PATIENCE, "the wall never came to rest");
        }
    }

    /// Moves a slider as a hand does.
    fn slide(&self, slider: &str, to: &str) {
        self.value(&format!(
            "(() => {{ const slider = document.getElementById('{slider}'); slider.value = '{to}';
             slider.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        ));
    }

    /// A mouse gesture in real input events, from the middle of a picture near the middle of the window.
    fn drag(&self, dx: f64, dy: f64) {
        use headless_chrome::protocol::cdp::Input;
        let event = |kind, x, y, buttons| Input::DispatchMouseEvent {
            Type: kind,
            x,
            y,
            button: Some(Input::MouseButton::Left),
            buttons: Some(buttons),
            click_count: Some(1),
            modifiers: None,
            timestamp: None,
            force: None,
            tangential_pressure: None,
            tilt_x: None,
            tilt_y: None,
            twist: None,
            delta_x: None,
            delta_y: None,
            pointer_Type: None,
        };
        let [x, y] = ["x", "y"].map(|axis| {
            self.number(&format!(
                "[...document.querySelectorAll('.tile')].map((tile) => tile.getBoundingClientRect())
                     .map((box) => ({{ x: box.left + box.width / 2, y: box.top + box.height / 2 }}))
                     .sort((a, b) => Math.hypot(a.x - 900, a.y - 350) - Math.hypot(b.x - 900, b.y - 350))[0].{axis}"
            ))
        });
        self.tab.call_method(event(Input::DispatchMouseEventTypeOption::MousePressed, x, y, 1)).unwrap();
        for step in 1..=8 {
            let part = f64::from(step) / 8.0;
            let moved = event(Input::DispatchMouseEventTypeOption::MouseMoved, x + dx * part, y + dy * part, 1);
            self.tab.call_method(moved).unwrap();
        }
        self.tab.call_method(event(Input::DispatchMouseEventTypeOption::MouseReleased, x + dx, y + dy, 0)).unwrap();
    }

    fn set_reduced_motion(&self) {
        self.tab
            .call_method(Emulation::SetEmulatedMedia {
                media: None,
                features: Some(vec![Emulation::MediaFeature {
                    name: "prefers-reduced-motion".to_owned(),
                    value: "reduce".to_owned(),
                }]),
            })
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sees_a_wall_that_drifts_and_obeys() {
    let Some(chromium) = chromium() else { return };
    let config = common::config();
    let service = server::Server::bind(&config, common::generator(common::TINY, 1)).await.unwrap();
    let origin = format!("http://{}", service.local_addr());
    let running = tokio::spawn(service.run(std::future::pending()));

    tokio::task::spawn_blocking(move || {
        let profile = tempfile::tempdir().unwrap();
        let options = LaunchOptions::default_builder()
            .path(Some(chromium))
            .sandbox(false)
            .window_size(Some((1440, 900)))
            .user_data_dir(Some(profile.path().to_owned()))
            .idle_browser_timeout(Duration::from_mins(5))
            .args(ARGUMENTS.map(OsStr::new).to_vec())
            .build()
            .unwrap();
        let browser = Browser::new(options).unwrap();
        journey(&browser, &origin);
        reduced_motion(&browser, &origin);
    })
    .await
    .unwrap();
    running.abort();
}

fn journey(browser: &Browser, origin: &str) {
    let visit = Visit::start(browser);
    visit.tab.navigate_to(&format!("{origin}/?wall=0000beef")).unwrap();

    // The first screen fills.
    visit.until("document.readyState === 'complete'");
    visit.until(&format!("{PICTURES_IN_VIEW} >= 24"));
    let milliseconds = visit.number("performance.now()");
    eprintln!("24 pictures decoded and in view {milliseconds:.0} ms after navigation began");

    // The same place has the same picture: the wall is a function of its name and the cell.
    let spread = "import('/js/cells.js').then(({ cellSeed }) => {
        const seeds = new Set();
        for (let x = -50; x < 50; x += 1) for (let y = -50; y < 50; y += 1) seeds.add(cellSeed(7, x, y));
        return seeds.size > 9_990 && cellSeed(7, -3, 5) === cellSeed(7, -3, 5) && cellSeed(7, 1, 2) !== cellSeed(8, 1, 2);
    })";
    assert_eq!(visit.value(spread), true, "cells do not spread over the seeds");

    // It drifts, and the pause button stops it and lets it go.
    assert!(visit.moves_within(Duration::from_millis(800)), "the wall does not drift");
    visit.value("document.getElementById('pause').click()");
    visit.comes_to_rest();
    assert_eq!(visit.text("document.getElementById('pause').getAttribute('aria-label')"), "Let the wall drift");
    visit.value("document.getElementById('pause').click()");
    assert!(visit.moves_within(Duration::from_millis(800)), "the wall does not go on");

    // Speed zero stands still; a negative speed drifts the other way.
    visit.slide("speed", "0");
    visit.comes_to_rest();
    assert_eq!(visit.text("document.getElementById('speed').getAttribute('aria-valuetext')"), "stands still");
    let x = "new DOMMatrix(getComputedStyle(document.querySelector('.layer')).transform).m41";
    let before = visit.number(x);
    visit.slide("speed", "-6");
    visit.until(&format!("{x} > {}", before + 10.0));
    visit.slide("speed", "0");
    visit.comes_to_rest();

    // A drag moves the wall and opens nothing.
    let before = visit.number(x);
    visit.drag(-240.0, 60.0);
    visit.until(&format!("{x} < {}", before - 200.0));
    visit.comes_to_rest();
    assert_eq!(visit.value("document.getElementById('viewer').open"), false, "a drag was taken for a click");

    // Another creativity: new pictures everywhere, and at no moment a tile without one.
    visit.until(&format!("{EMPTY_IN_VIEW} === 0"));
    visit.value(&format!(
        "window.worst = 0; window.watch = setInterval(() => {{ window.worst = Math.max(window.worst, {EMPTY_IN_VIEW}); }}, 4)"
    ));
    visit.slide("creativity", "1.6");
    visit
        .until("[...document.querySelectorAll('.tile')].every((tile) => tile.lastElementChild?.dataset.psi === '1.6')");
    assert_eq!(visit.value("clearInterval(window.watch), window.worst"), 0, "a tile went blank");
    assert!(visit.text("document.querySelector('.tile').href").contains("/results/psi-1.6/seed"));
    assert!(visit.text("document.getElementById('creativity').getAttribute('aria-valuetext')").starts_with("1.6"));
    visit.until("location.search.includes('psi=1.6') && location.search.includes('wall=0000beef')");

    // A click opens the picture large; arrows go on; Esc closes, and the address follows.
    visit.drag(0.0, 0.0);
    visit.until("document.getElementById('viewer').open && location.hash.startsWith('#seed=')");
    visit.until("document.querySelector('.viewer-picture').naturalWidth > 0");
    let title = "document.getElementById('viewer-title').textContent";
    let first = visit.text(title);
    visit.tab.press_key("ArrowRight").unwrap();
    visit.until(&format!("{title} !== {first:?}"));
    visit.tab.press_key("Escape").unwrap();
    visit.until("!document.getElementById('viewer').open && location.hash === ''");

    // Space pauses, the panel unfolds and knows the model.
    visit.tab.press_key(" ").unwrap();
    visit.until("document.getElementById('pause').classList.contains('paused')");
    visit.value("document.getElementById('about-button').click()");
    visit.until("document.getElementById('facts').textContent.includes('16')");

    // A link to a picture opens it.
    visit.tab.navigate_to(&format!("{origin}/#seed=18446744073709551615")).unwrap();
    visit
        .until("document.querySelector('.viewer-picture')?.naturalWidth > 0 && document.getElementById('viewer').open");
    assert_eq!(visit.text(title), "Seed 18446744073709551615");

    let complaints = visit.complaints.lock().unwrap();
    assert!(complaints.is_empty(), "the console has: {complaints:#?}");
    let requests = visit.requests.lock().unwrap();
    assert!(requests.len() > 24);
    for url in requests.iter() {
        assert!(url.starts_with(origin) || url.starts_with(&format!("blob:{origin}")), "asked another host: {url}");
    }
}

fn reduced_motion(browser: &Browser, origin: &str) {
    let visit = Visit::start(browser);
    visit.set_reduced_motion();
    visit.tab.navigate_to(origin).unwrap();
    visit.until(&format!("{PICTURES_IN_VIEW} >= 24"));
    assert_eq!(visit.value("document.getElementById('pause').classList.contains('paused')"), true);
    assert!(!visit.moves_within(Duration::from_millis(600)), "the wall drifts although less motion was asked for");
}
