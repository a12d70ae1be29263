"""What a person does with a mail: links followed, mails opened, answers given."""
