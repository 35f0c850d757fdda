//! Hands and keys on the wall: what is pressed, carried, taken, kept and pinched.

use std::time::Duration;

use serde_json::json;

use crate::common::{TINY, generator};
use crate::visit::{Browsing, PLACE, PageScale, Touch, TouchScreen, Visit, browse};

/// One end of a slow gesture is more than a hundred events away from the other.
const WIDTH: &str = "document.querySelector('.tile').offsetWidth";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_pinch_adds_up_and_sizes_end_where_the_buttons_say() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        let first = visit.number(WIDTH);
        visit.value(
            "for (let step = 0; step < 200; step += 1) document.getElementById('wall').dispatchEvent(new WheelEvent('wheel',
                 { deltaY: -0.15, ctrlKey: true, clientX: 900, clientY: 300, bubbles: true, cancelable: true }))",
        );
        let pulled = visit.number(WIDTH);
        assert!((pulled / first - 1.22).abs() < 0.04, "200 pulls of a thousandth made {first} to {pulled}");
        // At the end the button says so, keeps the focus, and the address gives back what was seen.
        visit.value("document.getElementById('larger').focus()");
        for _ in 0..14 {
            visit.click("#larger");
        }
        visit.until("document.getElementById('larger').getAttribute('aria-disabled') === 'true'");
        assert_eq!(visit.text("document.activeElement.id"), "larger");
        visit.until("location.search.includes('zoom=')");
        let largest = visit.number(WIDTH);
        std::thread::sleep(Duration::from_millis(500));
        visit.value("void location.reload()");
        visit.until(&format!("document.documentElement.classList.contains('live') && {WIDTH} === {largest}"));
        visit.click("#smaller");
        visit.until("document.getElementById('larger').getAttribute('aria-disabled') === 'false'");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_enlarged_can_be_made_small_again_on_the_wall() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.set_window(390, 844, true);
        visit.send(TouchScreen(json!({ "enabled": true, "maxTouchPoints": 2 })));
        visit.go("/?wall=0000beef&speed=0");
        let fingers = "getComputedStyle(document.getElementById('wall')).touchAction";
        assert_eq!(visit.text(fingers), "none");
        visit.send(PageScale(json!({ "pageScaleFactor": 2.5 })));
        visit.until(&format!("{fingers} === 'manipulation'"));
        visit.send(PageScale(json!({ "pageScaleFactor": 1 })));
        visit.until(&format!("{fingers} === 'none'"));
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_that_ends_elsewhere_has_ended() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.comes_to_rest();
        let edge = visit.number("document.getElementById('placard').getBoundingClientRect().right");
        let y = visit.number("document.getElementById('placard').getBoundingClientRect().top") + 60.0;
        let place = visit.text(PLACE);
        visit.mouse("mousePressed", edge + 2.0, y);
        visit.mouse("mouseReleased", edge - 2.0, y);
        let moved = json!({ "type": "mouseMoved", "x": 1100, "y": 300, "button": "none", "buttons": 0 });
        visit.send(crate::visit::Mouse(moved));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(visit.text(PLACE), place, "the wall follows a hand that has let go");
        assert_eq!(visit.value("document.querySelector('.wall.dragged')"), serde_json::Value::Null);
        visit.was_clean();
    })
    .await;
}

/// Lifts the picture nearest to a point.
fn lift(visit: &Visit, x: f64, y: f64) -> (f64, f64) {
    let (x, y) = visit.picture_near(x, y);
    visit.mouse("mousePressed", x, y);
    visit.until("document.querySelector('.lifted') !== null");
    (x, y)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_carried_can_be_put_back() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.comes_to_rest();
        let nothing = "document.querySelector('.lifted, .tile.taken, .tile.under, dialog[open]') === null && location.pathname === '/'";
        // Escape puts it back, and the hand that still is down does nothing more.
        let (x, y) = lift(&visit, 900.0, 300.0);
        visit.mouse("mouseMoved", x + 200.0, y);
        visit.press("Escape");
        visit.until(nothing);
        let place = visit.text(PLACE);
        visit.mouse("mouseMoved", x + 300.0, y + 80.0);
        visit.mouse("mouseReleased", x + 300.0, y + 80.0);
        assert_eq!(visit.text(PLACE), place);
        assert_eq!(visit.value(nothing), true);
        // On the panel there is no picture to lay it on, whatever hangs behind.
        lift(&visit, 900.0, 300.0);
        let (left, top) = (
            visit.number("document.getElementById('placard').getBoundingClientRect().left"),
            visit.number("document.getElementById('placard').getBoundingClientRect().top"),
        );
        visit.mouse("mouseMoved", left + 150.0, top + 100.0);
        assert_eq!(visit.value("document.querySelector('.tile.under')"), serde_json::Value::Null);
        visit.mouse("mouseReleased", left + 150.0, top + 100.0);
        visit.until(nothing);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_taken_by_key_is_marked_and_the_focus_is_always_seen() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.value("document.querySelector('.door').focus()");
        visit.press("b");
        visit.until("document.querySelectorAll('.tile.held').length === 1");
        visit.press("ArrowRight");
        visit.press("Escape");
        visit.until("document.querySelector('.tile.held') === null");
        // Taken again, it stays taken while the wall goes on, and is blended with another one.
        let taken = visit.text("document.activeElement.tile.recipe.a.seed");
        visit.press("b");
        for _ in 0..3 {
            visit.press("ArrowDown");
        }
        visit.press("b");
        visit.until(&format!("location.pathname.startsWith('/p/{taken}~') && document.querySelector('#room[open]:not([aria-busy])') !== null"));
        visit.press("Escape");
        visit.until("location.pathname === '/'");
        visit.until("document.querySelector('.tile.held') === null");

        // Wherever the arrows go, the picture is beside the panel and inside the window.
        visit.value("document.querySelector('.door').focus()");
        for key in ["ArrowLeft", "ArrowDown"].into_iter().cycle().take(16) {
            visit.press(key);
            visit.comes_to_rest();
            let clear = visit.value(
                "(() => { const box = document.activeElement.getBoundingClientRect();
                 const panel = document.getElementById('placard').getBoundingClientRect();
                 return document.activeElement.matches('.tile') && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
                     && (box.left >= panel.right || box.bottom <= panel.top || box.top >= panel.bottom || box.right <= panel.left); })()",
            );
            assert_eq!(clear, true, "the focused picture is hidden after {key}");
        }
        // When the pictures become larger and fewer, one of those that stay has it.
        for _ in 0..6 {
            visit.press("+");
            visit.comes_to_rest();
        }
        assert_eq!(visit.value("document.activeElement.matches('.tile')"), true, "the focus went with a picture");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_kept_from_the_wall() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.comes_to_rest();
        let kept = "JSON.parse(localStorage.getItem('tadne.favourites') ?? '[]').length";
        // A heart on the picture under the mouse.
        let (x, y) = visit.picture_near(900.0, 300.0);
        visit.send(crate::visit::Mouse(json!({ "type": "mouseMoved", "x": x, "y": y, "buttons": 0 })));
        visit.until("document.getElementById('heart').checkVisibility()");
        visit.click("#heart");
        visit.until(&format!("{kept} === 1 && document.querySelectorAll('.tile.kept').length === 1"));
        assert_eq!(visit.text("document.getElementById('heart').getAttribute('aria-pressed')"), "true");
        visit.click("#heart");
        visit.until(&format!("{kept} === 0 && document.querySelector('.tile.kept') === null"));
        // By key.
        visit.value("document.querySelector('.door').focus()");
        visit.press("f");
        visit.until(&format!("{kept} === 1"));
        assert_eq!(visit.value("location.pathname"), "/");
        visit.was_clean();

        // By two taps of a finger; one opens.
        let phone = browsing.visit();
        phone.send(TouchScreen(json!({ "enabled": true, "maxTouchPoints": 2 })));
        phone.set_window(390, 844, true);
        phone.go("/?wall=0000cafe&speed=0");
        phone.until_full();
        phone.comes_to_rest();
        let (x, y) = phone.picture_near(200.0, 200.0);
        let tap = || {
            phone.send(Touch(json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] })));
            phone.send(Touch(json!({ "type": "touchEnd", "touchPoints": [] })));
        };
        // A busy computer may take so long for the second tap that the first one counted alone.
        let doubled = (0..6).any(|_| {
            tap();
            tap();
            std::thread::sleep(Duration::from_millis(700));
            if phone.value("location.pathname") != "/" {
                phone.press("Escape");
                phone.until("location.pathname === '/' && document.querySelector('dialog[open]') === null");
            }
            phone.value(&format!("{kept} === 2")) == true
        });
        assert!(doubled, "two taps keep nothing");
        assert_eq!(phone.value("location.pathname"), "/");
        std::thread::sleep(Duration::from_millis(500));
        tap();
        phone.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
        phone.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_is_told_how_to_blend_and_the_second_is_not() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until("!document.getElementById('hint').hidden");
        assert!(visit.text("document.getElementById('hint').textContent").contains("blend"));
        visit.until_full();
        let (x, y) = lift(&visit, 900.0, 300.0);
        visit.until("document.getElementById('hint').hidden");
        visit.press("Escape");
        visit.mouse("mouseReleased", x, y);
        visit.was_clean();
        let second = browsing.at("/?wall=0000beef&speed=0");
        std::thread::sleep(Duration::from_secs(9));
        assert_eq!(second.value("document.getElementById('hint').hidden"), true);
        second.was_clean();
    })
    .await;
}
