"""The tables of the board, and some content to try it with."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import migrations, models


def add_demo(apps, _):
    """Adds the users `ann` (staff), `bob` and `eve`, whose passwords are their names, and a room without eve."""
    User, Room = apps.get_model("auth", "User"), apps.get_model("board", "Room")
    users = {
        name: User.objects.create(username=name, password=make_password(name), is_staff=name == "ann")
        for name in ["ann", "bob", "eve"]
    }
    Room.objects.create(name="the kitchen").members.set([users["ann"], users["bob"]])


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.CreateModel(
            "Room",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("members", models.ManyToManyField(to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            "Post",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=500)),
                ("key", models.CharField(max_length=100, null=True, unique=True)),
                (
                    "author",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
                ),
                ("room", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="board.room")),
            ],
        ),
        migrations.RunPython(add_demo, migrations.RunPython.noop),
    ]
