import json
import os

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["daphne", "channels"]
ASGI_APPLICATION = "asgi.application"
ROOT_URLCONF = "urls"

# The same variable, in the same format, configures the Rust process.
CHANNEL_LAYERS = json.loads(os.environ["CHANNEL_LAYERS"])
