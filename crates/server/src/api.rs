//! What the addresses below `/api/v1` answer, but for archives of many seeds ([`crate::api::batch`]). Thin: parse, ask, wrap.

pub(crate) mod alike;
pub(crate) mod batch;
pub(crate) mod deliver;
pub(crate) mod facts;
pub(crate) mod named;
pub(crate) mod openapi;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use synth::{Creativity, Creature, LONGEST_PATH, NoiseMode, Recipe, Seed};

use crate::api::deliver::{CROSS_ORIGIN, NO_STORE, cache_control, deliver};
use crate::api::named::{JsonFile, Named};
use crate::app::App;
use crate::door::access::Visitor;
use crate::door::conditional;
use crate::error::Refusal;
use crate::pictures::address::AddressError;
use crate::pictures::encode::Format;
use crate::pictures::latent::{self, Latent, LatentError, LatentSpace};
use crate::pictures::order::{Bounds, Order};
use crate::pictures::query::{Asked, SIZES};
use crate::request::parameter;

/// `GET /api/v1/pictures/42.png?psi=1.1` and what else [`Order`] can be.
pub(crate) async fn order(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    Named(file): Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Ok(file) = file;
    // The kind is a part of the route.
    let kind = uri.path().split('/').nth(3).unwrap_or_default();
    let order = Order::parse(&format!("{kind}/{file}"), query.as_deref(), Bounds::of(&app.generator))?;
    let cache_control = cache_control(&app, query.as_deref())?;
    deliver(&app, &order, &headers, visitor, cache_control).await
}

/// `GET /random.png?psi=1.1&size=512` and `/api/v1/random/picture.png`: leads to another picture every time.
pub(crate) async fn random(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::read(query.as_deref())?;
    let file = uri.path().rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let format =
        Format::from_extension(ending).ok_or_else(|| AddressError::Format(ending.chars().take(20).collect()))?;
    let seed = any_seed();
    let psi = if parameter(query.as_deref(), "psi").is_some() { asked.psi } else { app.facts.psi.into() };
    let order = Order::Picture { recipe: seed.into(), psi, size: asked.size, noise: asked.noise, format };
    Ok(redirect(format!("/api/v1/{order}&m={}", app.model()), NO_STORE))
}

/// A seed drawn by lot: as many pictures as anybody could look at, with names that are still easy to write down.
pub(crate) fn any_seed() -> Seed {
    Seed(RandomState::new().build_hasher().finish() >> 32)
}

/// A redirect that lasts as long as `keep` says.
pub(crate) fn redirect(to: String, cache_control: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to), (header::CACHE_CONTROL, cache_control.to_owned())]).into_response()
}

/// A recipe in a list, with the address of its picture.
pub(crate) fn listed(app: &App, recipe: Recipe, asked: &Asked) -> serde_json::Value {
    let name = recipe.to_string();
    let picture = Order::Picture { recipe, psi: asked.psi, size: asked.size, noise: asked.noise, format: Format::Png };
    json!({ "recipe": name, "picture": format!("/api/v1/{picture}&m={}", app.model()) })
}

/// `GET /api/v1/children/42.json`: the sixteen children of a creature and where their pictures are.
pub(crate) async fn children(
    State(app): State<Arc<App>>,
    Named(file): Named<JsonFile>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let parent: Creature = file?.0.parse().map_err(AddressError::Recipe)?;
    Bounds::of(&app.generator).check(&Recipe::Single(parent.clone()))?;
    let asked = Asked::read(query.as_deref())?;
    let cache_control = cache_control(&app, query.as_deref())?;
    // The longest lines end; everybody else has sixteen.
    let count = if parent.path.len() < LONGEST_PATH { 16 } else { 0 };
    let children: Vec<_> = (0..count)
        .map(|child| {
            let recipe = Recipe::Single(Creature { path: [&parent.path[..], &[child]].concat(), ..parent.clone() });
            listed(&app, recipe, &asked)
        })
        .collect();
    let body = json!({ "parent": parent.to_string(), "children": children });
    Ok(conditional::json(&headers, cache_control, &body))
}

/// `GET /api/v1/latents/42.json`: a recipe's vectors: `w` before truncation, a mixture's second one, a plain seed's `z`.
pub(crate) async fn latents(
    State(app): State<Arc<App>>,
    Named(file): Named<JsonFile>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let JsonFile(name) = file?;
    let cache_control = cache_control(&app, query.as_deref())?;
    // Reads the recipe as a picture's would be, with the model's bound on layers.
    let order = Order::parse(&format!("pictures/{name}.png"), None, Bounds::of(&app.generator))?;
    let Order::Picture { recipe, .. } = order else { return Err(Refusal::Failed) };
    let w = |creature: &Creature| creature.w(&app.generator);
    let mut body = json!({ "recipe": recipe.to_string(), "encoding": "base64 of little-endian 32-bit floats" });
    match &recipe {
        Recipe::Single(creature) => {
            body["w"] = latent::spell(&w(creature)).into();
            if creature.is_seed() {
                body["z"] = latent::spell(&app.generator.z(creature.seed)).into();
            }
        }
        Recipe::Blend { from, to, percent } => {
            let t = f32::from(*percent) / 100.0;
            let line: Vec<f32> = w(from).into_iter().zip(w(to)).map(|(a, b)| a + t * (b - a)).collect();
            body["w"] = latent::spell(&line).into();
        }
        Recipe::Mix { coarse, fine, layer } => {
            body["w"] = latent::spell(&w(coarse)).into();
            body["fine"] = json!({ "layer": layer, "w": latent::spell(&w(fine)) });
        }
    }
    Ok(conditional::json(&headers, cache_control, &body))
}

/// The body of `POST /api/v1/pictures`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    space: LatentSpace,
    values: String,
    #[serde(default = "one")]
    psi: f32,
    size: Option<u16>,
    /// Noise of this seed; without it none.
    noise_seed: Option<u64>,
    #[serde(default = "png")]
    format: String,
}

/// The body of `POST /api/v1/pictures` for the picture of `w` at a creativity, with the noise of a seed or with none.
pub fn picture_request(w: &[f32], psi: Creativity, noise: Option<Seed>) -> serde_json::Value {
    let mut body = json!({ "space": "w", "values": latent::spell(w), "psi": psi.get(), "format": "png" });
    if let Some(seed) = noise {
        body["noise_seed"] = seed.0.into();
    }
    body
}

pub(crate) fn one() -> f32 {
    1.0
}

pub(crate) fn png() -> String {
    "png".to_owned()
}

/// A JSON body, read with our own words for what is wrong with it.
pub(crate) fn body<T: DeserializeOwned>(app: &App, body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::BodySize(app.body_bytes),
        _ => Refusal::Body("it broke off".to_owned()),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::Body(error.to_string().chars().take(200).collect()))
}

/// Creativity, size and kind of file as a body gives them.
pub(crate) fn checked(psi: f32, size: Option<u16>, format: &str) -> Result<(Creativity, Format), Refusal> {
    let psi = Creativity::new(psi).map_err(|_| AddressError::Creativity(psi.to_string()))?;
    if let Some(size) = size.filter(|size| !SIZES.contains(size)) {
        return Err(AddressError::Size(size.to_string()).into());
    }
    let format =
        Format::from_extension(format).ok_or_else(|| AddressError::Format(format.chars().take(20).collect()))?;
    Ok((psi, format))
}

/// `POST /api/v1/pictures`: the picture of a `z` or `w` that is sent.
pub(crate) async fn latent_picture(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let Numbers { space, values, psi, size, noise_seed, format } = body(&app, sent)?;
    let (psi, format) = checked(psi, size, &format)?;
    let latent = Latent::read(space, &values, &app.generator)?;
    let adds_noise = app.generator.has_noise() && app.generator.variation().noise != NoiseMode::None;
    if noise_seed.is_some() && !adds_noise {
        return Err(LatentError::NoNoise.into());
    }
    let order = Order::Latent { latent, psi: psi.into(), size, noise: noise_seed.map(Seed), format };
    let bytes = app.studio.file(visitor.client, &order).await?;
    let about = [(header::CONTENT_TYPE, order.media_type()), (header::CACHE_CONTROL, NO_STORE), CROSS_ORIGIN];
    Ok((about, bytes).into_response())
}
