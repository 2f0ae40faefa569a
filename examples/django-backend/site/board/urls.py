"""The addresses of the site."""

from django.contrib.auth import views as auth
from django.urls import path

from . import views

urlpatterns = [
    path("", views.board),
    path("rooms/<int:pk>/", views.room),
    path("kick/<int:pk>/", views.kick),
    path("login/", auth.LoginView.as_view(template_name="login.html")),
    path("logout/", auth.LogoutView.as_view()),
    # For the Rust process.
    path("whoami/", views.whoami),
    path("save/", views.save),
]
