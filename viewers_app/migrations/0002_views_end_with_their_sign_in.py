from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('viewers_app', '0001_initial'),
        ('sessions', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='viewersession',
            name='sign_in',
            field=models.CharField(blank=True, default='', editable=False, help_text="Key of the application's session.", max_length=40),
            preserve_default=False,
        ),
        # No stamp equals that of a password, so views from before this end.
        migrations.AddField(
            model_name='viewersession',
            name='password_stamp',
            field=models.CharField(default='', editable=False, max_length=64),
            preserve_default=False,
        ),
    ]
