"""Table of scenes."""

SCENES = {line: None for line in "Animals,Airplane,Baby,Beach,Bike,Bird,Bridge,Building,Cake,Car,Cat,Child,Coast,Dance,Dog,Family,Flower,Food,Forest,Fruit,Holiday,House,Lake,Landmark,Meme,Mountain,Nature,Night,Painting,Portrait,Road,Sky,Snow,Sports,Sunset,Text document".split(",")}
