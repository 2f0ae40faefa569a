"""No pages: the chat is all there is."""

urlpatterns = []
