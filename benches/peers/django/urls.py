"""There are no pages, only the chat."""

urlpatterns = []
