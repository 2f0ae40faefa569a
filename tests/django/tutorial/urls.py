"""The page of a room: the page of the Rust example, with the socket at the same path."""

from pathlib import Path

from django.http import HttpResponse
from django.urls import path

PAGE = Path(__file__).resolve().parents[3] / "examples/chat/room.html"

urlpatterns = [path("chat/<room>/", lambda request, room: HttpResponse(PAGE.read_text()))]
