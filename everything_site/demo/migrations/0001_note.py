from django.db import migrations, models

import everything_site.demo.models


def move(apps, source, target):
    """Let those who may see or delete notes go on doing so: permissions belong to a content type."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    if not content_types.filter(app_label=target, model="note").exists():
        content_types.filter(app_label=source, model="note").update(app_label=target)


def forwards(apps, schema_editor):
    move(apps, "mcp_app", "demo")


def backwards(apps, schema_editor):
    move(apps, "demo", "mcp_app")


class CreateModelUnlessThereIsATable(migrations.CreateModel):
    """In a database of an earlier release mcp_app has made the table. Undone, it stays, with what is in it."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if self.options["db_table"] not in schema_editor.connection.introspection.table_names():
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        pass


class Migration(migrations.Migration):
    """The model belonged to mcp_app before."""

    initial = True

    dependencies = [
        ("mcp_app", "0003_note_has_moved"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        CreateModelUnlessThereIsATable(
            name="Note",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("note_id", models.CharField(default=everything_site.demo.models.new_note_id, editable=False, max_length=32, unique=True)),
                ("issuer", models.CharField(blank=True, max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("title", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("updated", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "mcp_app_note",
                "ordering": ("pk",),
                "indexes": [models.Index(fields=["issuer", "subject"], name="mcp_note_user")],
            },
        ),
        migrations.RunPython(forwards, backwards),
    ]
