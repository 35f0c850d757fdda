//! Pictures by likeness: those that resemble a given one, and an example of each kind of face.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use synth::{Creature, Recipe, Seed, SeedIndex};

use crate::api::deliver::cache_control;
use crate::api::listed;
use crate::api::named::{JsonFile, Named};
use crate::app::App;
use crate::door::conditional;
use crate::error::Refusal;
use crate::pictures::address::AddressError;
use crate::pictures::order::Bounds;
use crate::pictures::query::Asked;

/// What a search found, and where the pictures are.
fn answer(
    app: &App,
    headers: &HeaderMap,
    query: Option<&str>,
    asked: &Asked,
    found: Vec<Seed>,
    name: &str,
) -> Result<Response, Refusal> {
    let cache_control = cache_control(app, query)?;
    let found: Vec<_> = found.into_iter().map(|seed| listed(app, seed.into(), asked)).collect();
    Ok(conditional::json(headers, cache_control, &json!({ name: found })))
}

/// Asks the index on a thread that may take its time: the first to ask waits for all its `w`.
async fn asking<T: Send + 'static>(
    app: &Arc<App>,
    ask: impl FnOnce(&SeedIndex) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let app = Arc::clone(app);
    let index = |app: &App| SeedIndex::new(Arc::clone(&app.generator), SeedIndex::DEFAULT_SIZE);
    let task = move || ask(app.seed_index.get_or_init(|| index(&app)));
    tokio::task::spawn_blocking(task).await.map_err(|_| Refusal::Failed)
}

/// `GET /api/v1/like/42.json?count=12`: the seeds, of the first 4096, that are most like a creature, the creature itself left out.
pub(crate) async fn like(
    State(app): State<Arc<App>>,
    Named(file): Named<JsonFile>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let creature: Creature = file?.0.parse().map_err(AddressError::Recipe)?;
    Bounds::of(&app.generator).check(&Recipe::Single(creature.clone()))?;
    let asked = Asked::read(query.as_deref())?;
    let count = usize::from(asked.count);
    let found = asking(&app, move |index| index.like(&creature, count));
    answer(&app, &headers, query.as_deref(), &asked, found.await?, "like")
}

/// `GET /api/v1/kinds?count=24`: an example of each kind of face that the model draws, those that differ most first.
pub(crate) async fn kinds(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asked = Asked::read(query.as_deref())?;
    let mut found = asking(&app, SeedIndex::kinds).await?;
    found.truncate(asked.count.into());
    answer(&app, &headers, query.as_deref(), &asked, found, "kinds")
}
