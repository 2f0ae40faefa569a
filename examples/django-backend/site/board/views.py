"""The pages, and the views that the Rust process calls."""

import json

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import rust
from .models import Post, Room


def page(request, room):
    """Returns the page of the board or of a room."""
    if request.method == "POST":
        Post.objects.create(author=request.user, room=room, text=request.POST["text"][:500])
        return redirect(request.path)
    path = "/ws/board/"
    if room:
        # A user needs a ticket to join the room. It is valid for five minutes, and the page gets a new one at each load.
        path = f"/ws/room/?ticket={rust.ticket(f'board-room-{room.pk}', request.user.pk, ttl=300)}"
    posts = Post.objects.filter(room=room).select_related("author").order_by("pk")
    users = get_user_model().objects.all() if request.user.is_staff else []
    context = {"room": room, "posts": posts, "socket": settings.RUST_WEBSOCKETS + path, "users": users}
    return render(request, "board.html", context)


@login_required
def board(request):
    return page(request, None)


@login_required
def room(request, pk):
    return page(request, get_object_or_404(Room, pk=pk, members=request.user))


@require_POST
@user_passes_test(lambda user: user.is_staff)
def kick(request, pk):
    """Ends the logins of a user, and closes the user's connections."""
    user = get_object_or_404(get_user_model(), pk=pk)
    user.is_active = False
    user.save()
    rust.publish({"type": "user.close", "code": 4001, "reason": "this user was blocked"}, user=user.pk)
    return redirect("/")


def whoami(request):
    """Returns the user of a session cookie, for the Rust process."""
    user = request.user
    return JsonResponse({"id": user.pk, "name": user.get_username()} if user.is_authenticated else None, safe=False)


@csrf_exempt
@require_POST
def save(request):
    """Saves a post that a client has sent over its WebSocket."""
    if not rust.is_from_rust(request):
        return JsonResponse({"error": "the signature is wrong"}, status=403)
    command = json.loads(request.body)
    author = get_object_or_404(get_user_model(), pk=command["user"], is_active=True)
    # A request that is repeated, because its response was lost, finds its post.
    post, _ = Post.objects.get_or_create(
        key=request.headers["Idempotency-Key"], defaults={"author": author, "text": command["text"][:500]}
    )
    return JsonResponse({"id": post.pk})
