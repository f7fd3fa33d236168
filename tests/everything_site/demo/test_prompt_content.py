"""Content of prompts besides text, images and embedded resources."""

from .support import connect


async def test_the_media_prompt_has_a_sound_and_a_link_that_leads_to_a_resource(server, era):
    async with connect(server, era) as client:
        _, sound, link = (await client.get_prompt("media_prompt")).messages
        (contents,) = (await client.read_resource(link.content.uri)).contents
    assert sound.content.mime_type == "audio/wav"
    assert contents.mime_type == link.content.mime_type
