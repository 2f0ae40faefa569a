"""The posts of the board, and its rooms."""

from django.conf import settings
from django.db import models, transaction

from . import rust


class Room(models.Model):
    """A room for its members only."""

    name = models.CharField(max_length=100)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL)


class Post(models.Model):
    """A post on the board (`room` is null), or in a room."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    room = models.ForeignKey(Room, null=True, on_delete=models.CASCADE)
    text = models.CharField(max_length=500)
    # The `Idempotency-Key` of the request that has sent the post over a WebSocket.
    key = models.CharField(max_length=100, null=True, unique=True)

    def save(self, *args, **kwargs):
        """Saves the post. When the transaction is committed, publishes it if it is new."""
        is_new = self._state.adding
        super().save(*args, **kwargs)
        if not is_new:
            return
        group = f"board-room-{self.room_id}" if self.room_id else "board"
        event = {"type": "board.posted", "id": self.pk, "author": self.author.get_username(), "text": self.text}
        # With `robust`, a failure is logged, and the post stays.
        transaction.on_commit(lambda: rust.publish(event, group=group), robust=True)
