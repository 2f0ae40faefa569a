//! The layers of this process by name: what `CHANNEL_LAYERS` is in Django.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::error::LayerError;
use crate::layer::handle::ChannelLayer;
use crate::support::lock;

static LAYERS: Mutex<Option<HashMap<String, ChannelLayer>>> = Mutex::new(None);

/// The layer of that name: Django's `get_channel_layer()`. `"default"` is the one of the last `Channels` that was built.
///
/// # Errors
/// [`LayerError::NoSuchLayer`] if none was installed under that name.
pub fn channel_layer(alias: &str) -> Result<ChannelLayer, LayerError> {
    let layers = lock(&LAYERS);
    let layer = layers.as_ref().and_then(|layers| layers.get(alias));
    layer.cloned().ok_or_else(|| LayerError::NoSuchLayer { alias: alias.into() })
}

impl ChannelLayer {
    /// Makes this layer the one that [`channel_layer`] gives for `alias`, in place of any other.
    pub fn install(&self, alias: &str) {
        let mut layers = lock(&LAYERS);
        layers.get_or_insert_default().insert(alias.into(), self.clone());
    }
}
