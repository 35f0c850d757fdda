//! A visitor in a real Chromium: what it does with hands and keys, what it sees, and what it is heard to complain about.
//!
//! Chromium is looked for in `$CHROME` and then in `$PATH`. Without one these tests are left out, which `TADNE_TEST_ALL` makes an error.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::{Event, Method};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde::Serialize;
use serde_json::{Value, json};
use synth::Generator;

/// Nothing here takes that long; a busy computer may.
const PATIENCE: Duration = Duration::from_mins(3);
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

/// Tiles in view, and what is true of some of them.
pub(crate) const IN_VIEW: &str = "[...document.querySelectorAll('.tile')].filter((tile) => {
    const box = tile.getBoundingClientRect();
    return box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
})";
/// Where the wall is.
pub(crate) const PLACE: &str =
    "(() => { const m = new DOMMatrix(getComputedStyle(document.querySelector('.layer')).transform);
    return `${m.m41.toFixed(2)} ${m.m42.toFixed(2)}`; })()";
/// The same, across only.
pub(crate) const ACROSS: &str = "new DOMMatrix(getComputedStyle(document.querySelector('.layer')).transform).m41";

/// One browser at a time: two on a small computer would only slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// Commands of the `DevTools` protocol, with their parameters as JSON.
macro_rules! commands {
    ($($name:ident = $method:literal),+ $(,)?) => {$(
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) Value);
        impl Method for $name {
            const NAME: &'static str = $method;
            type ReturnObject = Value;
        }
    )+};
}

commands! {
    BeforeScripts = "Page.addScriptToEvaluateOnNewDocument",
    DataSaver = "Emulation.setDataSaverOverride",
    DeviceMetrics = "Emulation.setDeviceMetricsOverride",
    Downloads = "Browser.setDownloadBehavior",
    EnableNetwork = "Network.enable",
    ExtraHeaders = "Network.setExtraHTTPHeaders",
    Media = "Emulation.setEmulatedMedia",
    Mouse = "Input.dispatchMouseEvent",
    PageScale = "Emulation.setPageScaleFactor",
    NetworkConditions = "Network.emulateNetworkConditions",
    ScriptsDisabled = "Emulation.setScriptExecutionDisabled",
    Touch = "Input.dispatchTouchEvent",
    UserAgent = "Emulation.setUserAgentOverride",
    TouchScreen = "Emulation.setTouchEmulationEnabled",
}

/// Where Chromium is, or `None` where it is not and need not be.
fn chromium() -> Option<PathBuf> {
    let given = std::env::var_os("CHROME").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = given.filter(|file| file.is_file()).or_else(|| {
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
    });
    if found.is_none() {
        let reason = "no Chromium in $CHROME or $PATH (Debian: apt install chromium)";
        assert!(std::env::var_os("TADNE_TEST_ALL").is_none(), "{reason}, and TADNE_TEST_ALL is set");
        eprintln!("left out: {reason}");
    }
    found
}

/// A browser of its own, and the service it visits.
pub(crate) struct Browsing {
    browser: Browser,
    pub(crate) origin: String,
    /// Lies in the browser's profile, which is gone with it.
    pub(crate) folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Starts the service with a model and lets a visitor make a journey.
pub(crate) async fn browse(generator: Arc<Generator>, journey: impl FnOnce(&Browsing) + Send + 'static) {
    browse_with(crate::common::config(), generator, journey).await;
}

/// The same with another configuration.
pub(crate) async fn browse_with(
    config: server::Config,
    generator: Arc<Generator>,
    journey: impl FnOnce(&Browsing) + Send + 'static,
) {
    let service = server::Server::bind(&config, generator).await.unwrap();
    let origin = format!("http://{}", service.local_addr());
    let running = tokio::spawn(service.run(std::future::pending()));
    tour(origin, journey).await;
    running.abort();
}

/// Lets a visitor make a journey to whatever serves at `origin`.
pub(crate) async fn tour(origin: String, journey: impl FnOnce(&Browsing) + Send + 'static) {
    let Some(chromium) = chromium() else { return };
    tokio::task::spawn_blocking(move || {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let options = LaunchOptions::default_builder()
            .path(Some(chromium))
            .sandbox(false)
            .window_size(Some((1440, 900)))
            .user_data_dir(Some(folder.path().join("profile")))
            .idle_browser_timeout(Duration::from_mins(5))
            .args(ARGUMENTS.map(OsStr::new).to_vec())
            .build()
            .unwrap();
        let browser = Browser::new(options).unwrap();
        journey(&Browsing { browser, origin, folder, _turn: turn });
    })
    .await
    .unwrap();
}

impl Browsing {
    /// A new tab that has gone nowhere yet.
    pub(crate) fn visit(&self) -> Visit {
        Visit::start(&self.browser, &self.origin)
    }

    /// A new tab at a path of ours.
    pub(crate) fn at(&self, path: &str) -> Visit {
        let visit = self.visit();
        visit.go(path);
        visit
    }
}

/// A tab, and what it was heard to complain about and to ask for.
pub(crate) struct Visit {
    pub(crate) tab: Arc<Tab>,
    origin: String,
    complaints: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Visit {
    fn start(browser: &Browser, origin: &str) -> Self {
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
        let visit = Visit { tab, origin: origin.to_owned(), complaints, requests };
        // Who listens makes the tab keep what came over the network, if it is not told otherwise from the beginning.
        visit.send(EnableNetwork(json!({ "maxTotalBufferSize": 0, "maxResourceBufferSize": 0 })));
        visit
    }

    pub(crate) fn send<C: Method + Serialize + std::fmt::Debug>(&self, command: C) -> C::ReturnObject {
        self.tab.call_method(command).unwrap()
    }

    /// Goes to a path of ours and waits until its scripts have run.
    pub(crate) fn go(&self, path: &str) {
        self.tab.navigate_to(&format!("{}{path}", self.origin)).unwrap();
        self.until("document.readyState === 'complete'");
        let live = "!document.querySelector('#wall') || document.documentElement.classList.contains('live')";
        self.until(live);
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let result = self.tab.evaluate(expression, true).unwrap_or_else(|error| panic!("{expression}: {error}"));
        result.value.unwrap_or_default()
    }

    pub(crate) fn number(&self, expression: &str) -> f64 {
        self.value(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&self, expression: &str) {
        let start = Instant::now();
        // Between two pages there is nothing to ask; that counts as not yet.
        while self.tab.evaluate(expression, true).ok().and_then(|result| result.value) != Some(Value::Bool(true)) {
            let heard = self.complaints.lock().unwrap();
            assert!(start.elapsed() < PATIENCE, "never came true: {expression}\nthe console has: {heard:#?}");
            drop(heard);
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// Waits until every tile in view has its picture.
    pub(crate) fn until_full(&self) {
        self.until(&format!("{IN_VIEW}.length > 5 && {IN_VIEW}.every((tile) => tile.tile.picture?.naturalWidth > 0)"));
    }

    /// Whether the wall is somewhere else after `time`.
    pub(crate) fn moves_within(&self, time: Duration) -> bool {
        let place = self.text(PLACE);
        std::thread::sleep(time);
        place != self.text(PLACE)
    }

    /// Waits until the drift has died away.
    pub(crate) fn comes_to_rest(&self) {
        let start = Instant::now();
        while self.moves_within(Duration::from_millis(300)) {
            assert!(start.elapsed() < PATIENCE, "the wall never came to rest");
        }
    }

    /// Stops the drift and waits until nothing moves.
    pub(crate) fn stand_still(&self) {
        self.slide("speed", "0");
        self.comes_to_rest();
    }

    /// Moves a slider as a hand does.
    pub(crate) fn slide(&self, slider: &str, to: &str) {
        self.value(&format!(
            "(() => {{ const slider = document.getElementById('{slider}'); slider.value = '{to}';
             for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"
        ));
    }

    /// Clicks what a selector finds.
    pub(crate) fn click(&self, selector: &str) {
        self.value(&format!("document.querySelector(`{selector}`).click()"));
    }

    /// Clicks the middle of what a selector finds, as a hand does: some things are only done for those.
    pub(crate) fn click_by_hand(&self, selector: &str) {
        let middle = self.text(&format!(
            "(() => {{ const box = document.querySelector(`{selector}`).getBoundingClientRect();
             return JSON.stringify([box.left + box.width / 2, box.top + box.height / 2]); }})()"
        ));
        let (x, y): (f64, f64) = serde_json::from_str(&middle).unwrap();
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    pub(crate) fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    /// The middle of the picture nearest to a point of the window.
    pub(crate) fn picture_near(&self, x: f64, y: f64) -> (f64, f64) {
        let point = self.text(&format!(
            "JSON.stringify([...document.querySelectorAll('.tile')].map((tile) => tile.getBoundingClientRect())
                 .map((box) => [box.left + box.width / 2, box.top + box.height / 2])
                 .sort((a, b) => Math.hypot(a[0] - {x}, a[1] - {y}) - Math.hypot(b[0] - {x}, b[1] - {y}))[0])"
        ));
        serde_json::from_str(&point).unwrap()
    }

    /// One event of the mouse: `mousePressed`, `mouseMoved` or `mouseReleased`.
    pub(crate) fn mouse(&self, kind: &str, x: f64, y: f64) {
        self.mouse_at(kind, x, y, self.seconds());
    }

    /// The same at a given time, so that a gesture is as quick as it should be however slow the computer is.
    fn mouse_at(&self, kind: &str, x: f64, y: f64, time: f64) {
        let buttons = i32::from(kind != "mouseReleased");
        self.send(Mouse(json!({
            "type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1, "timestamp": time,
        })));
    }

    /// The page's clock.
    fn seconds(&self) -> f64 {
        self.number("(performance.timeOrigin + performance.now()) / 1000")
    }

    /// A gesture of a tenth of a second from the middle of a picture near the middle of the window.
    pub(crate) fn drag(&self, dx: f64, dy: f64) {
        let (x, y) = self.picture_near(900.0, 350.0);
        let start = self.seconds();
        self.mouse_at("mousePressed", x, y, start);
        for step in 1..=8 {
            let part = f64::from(step) / 8.0;
            self.mouse_at("mouseMoved", x + dx * part, y + dy * part, start + part * 0.1);
        }
        self.mouse_at("mouseReleased", x + dx, y + dy, start + 0.105);
    }

    pub(crate) fn set_media(&self, name: &str, value: &str) {
        self.send(Media(json!({ "features": [{ "name": name, "value": value }] })));
    }

    pub(crate) fn set_window(&self, width: u32, height: u32, mobile: bool) {
        self.send(DeviceMetrics(json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile })));
    }

    /// How many requests with some text in their address were made so far.
    pub(crate) fn asked(&self, text: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|url| url.contains(text)).count()
    }

    /// Nothing was complained about, and nobody else was asked for anything.
    pub(crate) fn was_clean(&self) {
        let complaints = self.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "the console has: {complaints:#?}");
        for url in self.requests.lock().unwrap().iter() {
            let ours = url.starts_with(&self.origin) || url.starts_with(&format!("blob:{}", self.origin));
            assert!(ours, "asked another host: {url}");
        }
    }
}
