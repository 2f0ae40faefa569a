//! The layers of this process by alias, as in Django's `CHANNEL_LAYERS`.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::error::LayerError;
use crate::layer::handle::ChannelLayer;
use crate::support::lock;

static LAYERS: Mutex<Option<HashMap<String, ChannelLayer>>> = Mutex::new(None);

/// Returns the layer with this alias, like Django's `get_channel_layer()`. The alias `"default"` is the layer of the `Channels` that
/// was built last.
///
/// # Errors
/// [`LayerError::NoSuchLayer`] if no layer is installed under this alias.
pub fn channel_layer(alias: &str) -> Result<ChannelLayer, LayerError> {
    let layers = lock(&LAYERS);
    let layer = layers.as_ref().and_then(|layers| layers.get(alias));
    layer.cloned().ok_or_else(|| LayerError::NoSuchLayer { alias: alias.into() })
}

impl ChannelLayer {
    /// Installs this layer, so that [`channel_layer`] returns it for `alias`. Replaces the layer that had the alias.
    pub fn install(&self, alias: &str) {
        let mut layers = lock(&LAYERS);
        layers.get_or_insert_default().insert(alias.into(), self.clone());
    }
}
